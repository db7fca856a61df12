import { FETCH_OPTIONS } from './fetch-options.js'
import { LIST_OPTIONS } from './inspect-options.js'
import type { WalshipOption } from './receive-options.js'
import { STATUS_OPTIONS } from './status-command-options.js'
import { VERIFY_OPTIONS } from './verify-options.js'
import { RECEIVE_COMMAND_OPTIONS } from './walship-options.js'

/** What a configuration file may hold: one file serves the receiver, the servers that restore and who checks. */
export const CONFIG_FILE_OPTIONS: readonly WalshipOption[] = [
  ...new Map(
    [...STATUS_OPTIONS, ...LIST_OPTIONS, ...VERIFY_OPTIONS, ...RECEIVE_COMMAND_OPTIONS, ...FETCH_OPTIONS].map(
      (option) => [option.name, option],
    ),
  ).values(),
]
