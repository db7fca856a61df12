import { configValues } from '../../../src/cli/config-file.js'
import { CONFIG_FILE_OPTIONS } from '../../../src/cli/config-options.js'
import { FETCH_OPTIONS, readFetchCommandLine } from '../../../src/cli/fetch-options.js'
import { readCommandLine } from '../../../src/cli/pg-receivewal.js'
import { RECEIVE_OPTIONS } from '../../../src/cli/receive-options.js'
import { redactSecrets } from '../../../src/cli/redact.js'
import { readWalshipCommandLine } from '../../../src/cli/walship-command-line.js'
import { COMMANDS } from '../../../src/cli/walship-commands.js'
import { parseCompression, parseStoreCompression } from '../../../src/codec/index.js'
import { parseStoreOptions } from '../../../src/store/index.js'
import { parsePgTime } from '../../../src/wal/index.js'
import { FakeHost } from '../../cli/fake-host.js'
import { type FuzzTarget, judged, judgedAsync } from '../judge.js'
import { mutateText } from '../mutate.js'
import type { Random } from '../random.js'

const VALUES = [
  '',
  '-',
  '--',
  '=',
  '0',
  '-1',
  '5',
  '1e3',
  '99999999999999999999',
  'gzip:9',
  'lz4:',
  '0/3000000',
  'FFFFFFFF/FFFFFFFF',
  '/tmp',
  's3://bucket/prefix',
  'file:///nowhere',
  'on',
  'off',
  'NaN',
  'Infinity',
  '0x10',
  '2026-11-25 00:00:00+00',
  '__proto__',
  'constructor',
  'a b',
  '[::1]:1',
  ':0',
  'é',
]
const ODD_WORDS = [
  '--',
  '-',
  '--=',
  '---',
  '--__proto__',
  '--constructor=1',
  '--no-x',
  '-?',
  '--__proto__.x=1',
  '--toString',
  '-',
  '\0',
  '--help=1',
  '-abc',
  '',
]

function words(random: Random, names: readonly string[], shorts: readonly string[]): string[] {
  return Array.from({ length: random.below(7) }, () => {
    const value = random.onceIn(3) ? mutateText(random, random.pick(VALUES), VALUES) : random.pick(VALUES)
    switch (random.below(6)) {
      case 0:
        return `--${random.pick(names)}`
      case 1:
        return `--${random.pick(names)}=${value}`
      case 2:
        return `-${random.pick(shorts)}${random.onceIn(2) ? value : ''}`
      case 3:
        return `--${random.pick(names).slice(0, 1 + random.below(8))}`
      case 4:
        return random.pick(ODD_WORDS)
      default:
        return value
    }
  })
}

const names = (options: readonly { readonly name: string }[]) => options.map(({ name }) => name)
const shorts = (options: readonly { readonly short?: string }[]) =>
  options.flatMap(({ short }) => (short === undefined ? [] : [short])).concat('Z', '0', '?')

/** Command lines of the drop-in, of every command of walship and of fetch: settings, or a complaint. */
export const argumentsTarget: FuzzTarget = {
  name: 'arguments',
  shortRuns: 500,
  async run(random) {
    const dropIn = new FakeHost(words(random, names(RECEIVE_OPTIONS), shorts(RECEIVE_OPTIONS)))
    judged('the drop-in', () => readCommandLine(dropIn))

    const command = random.pick(COMMANDS)
    const args = [
      ...(random.onceIn(10) ? [] : command.words.split(' ')),
      ...words(random, names(command.options), shorts(command.options)),
    ]
    const environment = Object.fromEntries(
      command.options.flatMap(({ variable }) =>
        variable !== undefined && variable !== 'WALSHIP_CONFIG' && random.onceIn(30)
          ? [[variable, random.pick(VALUES)]]
          : [],
      ),
    )
    const host = new FakeHost(args, { invokedAs: 'walship', environment })
    await judgedAsync(`walship ${JSON.stringify(args)}`, () => readWalshipCommandLine(host, 'walship'))

    const fetchWords = words(random, names(FETCH_OPTIONS), shorts(FETCH_OPTIONS))
    await judgedAsync('walship fetch', () => readFetchCommandLine(fetchWords, environment, async () => ({})))
    await judgedAsync('the options of a store', async () =>
      parseStoreOptions({ [random.pick(names(FETCH_OPTIONS))]: random.pick(VALUES) }, {}),
    )
    const text = mutateText(random, random.pick(VALUES), VALUES)
    judged('parseCompression', () => parseCompression(text))
    judged('parseStoreCompression', () => parseStoreCompression(text))
    judged('parsePgTime', () => parsePgTime(text))
    judged('redactSecrets', () => redactSecrets(text))
  },
}

const CONFIG = [
  'directory: /var/lib/walship\nslot: one\nstore: s3://bucket/prefix\ncompress: gzip:5\n',
  'synchronous: true\nhttp: "9187"\n# comment\nverbose: off\n',
  '{ directory: /x, slot: "y" }\n',
]
const YAML = [
  '&a ',
  '*a',
  '!!binary ',
  '!!js/function ',
  '<<: ',
  '- ',
  '? ',
  ': ',
  '|',
  '>',
  '%YAML 1.2\n---\n',
  '"',
  '{',
  '[',
  '__proto__: ',
  'store: ',
  '\t',
  '...',
  '[*a,*a,*a,*a]',
  'x: &a [1,1]\n',
]

/** Configuration files. */
export const configTarget: FuzzTarget = {
  name: 'config',
  shortRuns: 600,
  async run(random) {
    const text = mutateText(random, random.pick(CONFIG), YAML)
    const wanted = random.pick(COMMANDS).options
    await judgedAsync('configValues', () =>
      configValues({ path: 'walship.yaml', text }, CONFIG_FILE_OPTIONS, wanted, undefined),
    )
  },
}
