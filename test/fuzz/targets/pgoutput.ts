import { PgoutputDecoder, TransactionCollector, Tuple } from '../../../src/pgoutput/index.js'
import { CAPTURES, type CapturedPayload, captured } from '../../pgoutput/captured.js'
import { type FuzzTarget, judged } from '../judge.js'
import { mutateBytes } from '../mutate.js'

const all = new Map<string, CapturedPayload[]>()

/** Streams of pgoutput in which some messages are not as the server sent them, or come in another order. */
export const pgoutputTarget: FuzzTarget = {
  name: 'pgoutput',
  shortRuns: 1500,
  run(random) {
    const name = random.pick(CAPTURES)
    if (!all.has(name)) all.set(name, captured(name))
    const stream = all.get(name)!
    const decoder = new PgoutputDecoder()
    const collector = new TransactionCollector()
    const lenders = stream.map(({ payload }) => payload)
    const length = 1 + random.below(60)
    for (let at = random.onceIn(2) ? 0 : random.below(stream.length), left = length; left > 0; left--, at++) {
      const next = stream[random.onceIn(40) ? random.below(stream.length) : at % stream.length]!
      const payload = random.onceIn(6) ? mutateBytes(random, next.payload, lenders) : next.payload
      const decoded = judged('decode', () => decoder.decode(payload, next.dataStart))
      if ('error' in decoded) continue
      judged('reading values', () => {
        for (const value of Object.values(decoded.value)) if (value instanceof Tuple) value.toObject()
        JSON.stringify(decoded.value, (_, value) => (typeof value === 'bigint' ? String(value) : value))
      })
      judged('collect', () => collector.push(decoded.value, payload.length))
    }
  },
}
