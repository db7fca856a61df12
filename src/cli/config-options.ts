import { FETCH_OPTIONS } from './fetch-options.js'
import { LIST_OPTIONS } from './inspect-options.js'
import type { WalshipOption } from './receive-options.js'
import { VERIFY_OPTIONS } from './verify-options.js'
import { RECEIVE_COMMAND_OPTIONS } from './walship-options.js'

/** What a configuration file may hold: one file serves the receiver, the servers that restore and who checks. */
export const CONFIG_FILE_OPTIONS: readonly WalshipOption[] = [
  ...new Map(
    [...RECEIVE_COMMAND_OPTIONS, ...FETCH_OPTIONS, ...VERIFY_OPTIONS, ...LIST_OPTIONS].map((option) => [
      option.name,
      option,
    ]),
  ).values(),
]
