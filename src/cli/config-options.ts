import { FETCH_OPTIONS } from './fetch-options.js'
import type { WalshipOption } from './receive-options.js'
import { RECEIVE_COMMAND_OPTIONS } from './walship-options.js'

/** What a configuration file may hold: one file serves the receiver and the servers that restore. */
export const CONFIG_FILE_OPTIONS: readonly WalshipOption[] = [
  ...new Map([...RECEIVE_COMMAND_OPTIONS, ...FETCH_OPTIONS].map((option) => [option.name, option])).values(),
]
