import { serverEndPoint } from '../../../src/pg/certificate-hash.js'
import { ScramExchange } from '../../../src/pg/scram.js'
import { type FuzzTarget, judged, judgedAsync, must } from '../judge.js'
import { mutateBytes, mutateText } from '../mutate.js'

const NONCE = 'fyko+d2lbbFgONRv9qkxdawL'
const FIRST = `r=${NONCE}3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=64`
const FINAL = 'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4='
const WORDS = [
  'r=',
  's=',
  'i=',
  'v=',
  'e=',
  'm=',
  ',',
  '=',
  'i=2147483648',
  'i=1',
  'i=-1',
  'i=0',
  NONCE,
  'e=other-error',
]
/** SEQUENCE { SEQUENCE {}, SEQUENCE { OID sha256WithRSAEncryption } }: what is read of a certificate. */
const CERTIFICATE = Buffer.from('3011300030' + '0d06092a864886f70d01010b0500', 'hex')

/** The server's messages in SCRAM, and the DER of its certificate. Nobody is let in who does not know the key. */
export const scramTarget: FuzzTarget = {
  name: 'scram',
  shortRuns: 400,
  async run(random) {
    const exchange = new ScramExchange({ password: 'pencil' }, { kind: 'unsupported' }, NONCE)
    const isRight = random.onceIn(3)
    let first = isRight ? FIRST : mutateText(random, FIRST, WORDS)
    // Work that a server may ask for is bounded, and is not what is looked for here.
    if (/i=\d{6,7}(,|$)/.test(first)) first = FIRST
    const answered = await judgedAsync('server-first-message', () => exchange.clientFinal(first))
    if ('value' in answered) must(first.startsWith(`r=${NONCE}`), 'another nonce was answered')
    const final = judged('server-final-message', () =>
      exchange.verifyServer(mutateText(random, FINAL, WORDS)),
    )
    must('error' in final && !exchange.verified, 'a server that does not know the key was let in')
    serverEndPoint(mutateBytes(random, CERTIFICATE))
  },
}
