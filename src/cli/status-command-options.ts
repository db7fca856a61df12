import type { OptionValues } from './environment-values.js'
import { STORE_COMMAND_OPTIONS } from './fetch-store.js'
import { MONITOR_OPTIONS } from './monitor-options.js'
import { RECEIVE_OPTIONS, type WalshipOption } from './receive-options.js'
import { STATUS_SERVER_OPTIONS } from './status-options.js'

const TOKEN_FILE = STATUS_SERVER_OPTIONS.find(({ name }) => name === 'http-token-file')!

/** What `walship status` takes when it is asked about a walship, or about what one has left. */
export const STATUS_COMMAND_OPTIONS: readonly WalshipOption[] = [
  {
    name: 'url',
    argument: 'URL',
    section: 'Options',
    description: 'ask the walship that runs with --http here',
    variable: 'WALSHIP_URL',
    ofProcess: true,
    details: 'Such as `http://localhost:9187`. Without it the directory and the store are looked at.',
  },
  TOKEN_FILE,
  ...RECEIVE_OPTIONS.filter(({ name }) => name === 'directory').map((option) => ({
    ...option,
    description: 'look at this directory',
    details: 'Its newest file, finished segments and free space.',
  })),
  ...STORE_COMMAND_OPTIONS.map((option) =>
    option.name === 'store' ? { ...option, details: 'What it holds, and its holes, by lists.' } : option,
  ),
  {
    name: 'watch',
    section: 'Options',
    description: 'show it again and again, until interrupted',
  },
  {
    name: 'json',
    section: 'Options',
    description: 'as /status.json has it',
  },
]

const OWN_NAMES = new Set(STATUS_COMMAND_OPTIONS.map(({ name }) => name))

/** All that `walship status` takes: with a connection it shows a server's slots and replicas. */
export const STATUS_OPTIONS: readonly WalshipOption[] = [
  ...STATUS_COMMAND_OPTIONS,
  ...MONITOR_OPTIONS.filter(({ name }) => !OWN_NAMES.has(name)),
]

const PLACES = ['url', 'directory', 'store']
const CONNECTION = ['dbname', 'host', 'port', 'username']

/** Whether `walship status` is about a walship or about a server. What the command line names decides first. */
export function asksForWalship(given: OptionValues, beneath: OptionValues): boolean {
  if (PLACES.some((name) => given[name] !== undefined)) return true
  if (CONNECTION.some((name) => given[name] !== undefined)) return false
  return PLACES.some((name) => beneath[name] !== undefined)
}
