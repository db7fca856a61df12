import { FETCH_OPTIONS } from './fetch-options.js'
import { LIST_OPTIONS, LOCATE_OPTIONS } from './inspect-options.js'
import { MONITOR_OPTIONS } from './monitor-options.js'
import { PRUNE_OPTIONS } from './prune-options.js'
import type { WalshipOption } from './receive-options.js'
import { STATUS_OPTIONS } from './status-command-options.js'
import { VERIFY_OPTIONS } from './verify-options.js'
import { RECEIVE_COMMAND_OPTIONS, SLOT_CREATE_OPTIONS, SLOT_DROP_OPTIONS } from './walship-options.js'

/** The commands of `walship`. */
export interface CommandSpec {
  readonly words: string
  /** What follows the options, for help texts. */
  readonly operands?: string
  readonly description: string
  readonly options: readonly WalshipOption[]
}

export const COMMANDS: readonly CommandSpec[] = [
  {
    words: 'receive',
    description: 'receive the WAL of a server into a directory, for as long as it runs',
    options: RECEIVE_COMMAND_OPTIONS,
  },
  {
    words: 'status',
    description: 'say how safe the data is: of a running walship, of a directory and a store, or of a server',
    options: STATUS_OPTIONS,
  },
  { words: 'slot list', description: 'show the replication slots of a server', options: MONITOR_OPTIONS },
  {
    words: 'slot create',
    description: 'create a physical replication slot',
    options: SLOT_CREATE_OPTIONS,
  },
  { words: 'slot drop', description: 'drop a replication slot', options: SLOT_DROP_OPTIONS },
  {
    words: 'verify',
    description: 'check the WAL in an archive or a directory: nothing missing, nothing damaged',
    options: VERIFY_OPTIONS,
  },
  {
    words: 'list',
    description: 'list the WAL in an archive or a directory: timelines, ranges, times, gaps',
    options: LIST_OPTIONS,
  },
  {
    words: 'locate',
    description: 'find a moment in WAL, and print how to recover to it',
    options: LOCATE_OPTIONS,
  },
  {
    words: 'prune',
    description: 'remove WAL that nothing that is kept needs any more; by itself it only shows what would go',
    options: PRUNE_OPTIONS,
  },
  // Only for help: a restore_command is dispatched before any of this is loaded, see bin/walship.
  {
    words: 'fetch',
    operands: '%f "%p"',
    description: 'bring one WAL file from the archive; to be used as restore_command',
    options: FETCH_OPTIONS,
  },
]

/** What `walship --help` prints. */
export function topHelp(programName: string): string {
  const width = Math.max(...COMMANDS.map(({ words }) => words.length))
  const entries = [...COMMANDS, { words: 'help', description: 'show help, also on a command: help receive' }]
  const list = entries.map(({ words, description }) => `  ${words.padEnd(width)}  ${description}`)
  return `${programName} keeps the write-ahead log of a PostgreSQL server, byte for byte, as it is written.

Usage:
  ${programName} COMMAND [OPTION]...

Commands:
${list.join('\n')}

Options:
  -?, --help     show this help, then exit
  -V, --version  show the version, then exit`
}
