import { CONFIG_OPTIONS } from './config-file.js'
import { RECEIVE_OPTIONS, type WalshipOption } from './receive-options.js'
import { SHIPPING_OPTIONS } from './shipping-options.js'
import { STATUS_SERVER_OPTIONS } from './status-options.js'

/** Options that only `walship` has, and which of its commands takes which options. */

export const LOG_FORMATS = ['json', 'pretty'] as const
export type LogFormat = (typeof LOG_FORMATS)[number]

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

export const LOG_OPTIONS: readonly WalshipOption[] = [
  {
    name: 'log-format',
    argument: 'FORMAT',
    section: 'Options',
    description: 'form of the log on stderr',
    variable: 'WALSHIP_LOG_FORMAT',
    ofProcess: true,
    choices: LOG_FORMATS,
    details: 'By default `pretty` on a terminal and `json`, one object a line, elsewhere.',
  },
  {
    name: 'log-level',
    argument: 'LEVEL',
    section: 'Options',
    description: 'how much to log',
    variable: 'WALSHIP_LOG_LEVEL',
    ofProcess: true,
    choices: LOG_LEVELS,
    details: 'By default `info`, with --verbose `debug`.',
  },
]

/** An action, and so without a variable. */
export const CHECK_OPTION: WalshipOption = {
  name: 'check',
  section: 'Options',
  description: 'try everything out without receiving, then exit',
  details:
    'Options, directory, connection, slot, store; nothing is made or changed but a file of no bytes in the directory, ' +
    'which is removed at once. See [operations.md](operations.md#checking-a-configuration).',
}

/** Every command has these two by other means. */
const COMMON = ['help', 'version']

/** What `walship receive` takes. */
export const RECEIVE_COMMAND_OPTIONS: readonly WalshipOption[] = [
  ...RECEIVE_OPTIONS.filter((option) => !COMMON.includes(option.name)),
  ...SHIPPING_OPTIONS,
  CHECK_OPTION,
  ...CONFIG_OPTIONS,
  ...STATUS_SERVER_OPTIONS,
  ...LOG_OPTIONS,
]

const SLOT_OPTION_NAMES = ['slot', 'if-not-exists', 'verbose']

/** What `walship slot create` takes. */
export const SLOT_CREATE_OPTIONS: readonly WalshipOption[] = [
  ...RECEIVE_OPTIONS.filter(
    (option) => option.section === 'Connection options' || SLOT_OPTION_NAMES.includes(option.name),
  ),
  ...CONFIG_OPTIONS,
]

/** What `walship slot drop` takes. */
export const SLOT_DROP_OPTIONS: readonly WalshipOption[] = SLOT_CREATE_OPTIONS.filter(
  (option) => option.name !== 'if-not-exists',
)
