/**
 * Every option of receiving, declared once. The drop-in's getopt and --help, `walship receive`,
 * the environment variables, docs/cli.md and the test that compares us with the installed
 * pg_receivewal all read this table.
 */
export interface OptionDeclaration {
  /** Long name, without dashes. */
  readonly name: string
  readonly short?: string
  /** What stands for the value in help texts. An option without one is a switch. */
  readonly argument?: string
  /** Heading it stands under in help texts. */
  readonly section: 'Options' | 'Connection options' | 'Optional actions'
  /** One line of help. */
  readonly description: string
  /** Variable that gives the value where the command line does not. Read by `walship` only. */
  readonly variable?: string
  /** Shown in help texts and documents. */
  readonly defaultText?: string
  /** Further text for docs/cli.md. */
  readonly details?: string
  /** True where it is about the whole process, and so has no place in a cluster's section of a file. */
  readonly ofProcess?: boolean
}

/** An option that only `walship` has. */
export interface WalshipOption extends OptionDeclaration {
  /** Each time it is given counts, see `repeatedValues`. */
  readonly repeatable?: boolean
  readonly choices?: readonly string[]
}

const ALL = [
  {
    name: 'directory',
    short: 'D',
    argument: 'DIR',
    section: 'Options',
    description: 'keep the received WAL files in this directory',
    variable: 'WALSHIP_DIRECTORY',
    details:
      'Required for receiving. It must exist: it is never created, so that a missing mount is noticed.',
  },
  {
    name: 'endpos',
    short: 'E',
    argument: 'LSN',
    section: 'Options',
    description: 'stop once WAL beyond this position has been received',
    variable: 'WALSHIP_ENDPOS',
    details:
      'Two hexadecimal numbers with a slash, as in `16/B374D848`. The file may hold a little more than that. ' +
      '`0/0` means no end.',
  },
  {
    name: 'if-not-exists',
    section: 'Options',
    description: 'creating a slot that is already there is no error',
    variable: 'WALSHIP_IF_NOT_EXISTS',
  },
  {
    name: 'no-loop',
    short: 'n',
    section: 'Options',
    description: 'exit when the connection is lost, do not try again',
    variable: 'WALSHIP_NO_LOOP',
  },
  {
    name: 'no-sync',
    section: 'Options',
    description: 'do not force files to disk',
    variable: 'WALSHIP_NO_SYNC',
    details:
      'A crash of the machine can then lose WAL that the server was told is safe. For tests only. ' +
      'Excludes `--synchronous`.',
  },
  {
    name: 'status-interval',
    short: 's',
    argument: 'SECS',
    section: 'Options',
    description: 'seconds between status packets to the server',
    variable: 'WALSHIP_STATUS_INTERVAL',
    defaultText: '10',
    details: 'From 0 to 2147483; 0 sends them only when the server asks.',
  },
  {
    name: 'slot',
    short: 'S',
    argument: 'SLOTNAME',
    section: 'Options',
    description: 'replication slot that keeps WAL for us',
    variable: 'WALSHIP_SLOT',
    details: 'A physical replication slot. Without one the server may remove WAL before it was received.',
  },
  {
    name: 'synchronous',
    section: 'Options',
    description: 'force WAL to disk as soon as it is written',
    variable: 'WALSHIP_SYNCHRONOUS',
    details: 'For use as a synchronous standby: the position on disk is reported at once.',
  },
  {
    name: 'verbose',
    short: 'v',
    section: 'Options',
    description: 'say more about what is done',
    variable: 'WALSHIP_VERBOSE',
    ofProcess: true,
  },
  {
    name: 'version',
    short: 'V',
    section: 'Options',
    description: 'show the version, then exit',
    details: 'Only as the first argument.',
  },
  {
    name: 'compress',
    short: 'Z',
    argument: 'METHOD[:DETAIL]',
    section: 'Options',
    description: 'compress the files',
    variable: 'WALSHIP_COMPRESS',
    defaultText: 'none',
    details:
      '`none`, `gzip` or `lz4`, with a level as in `gzip:5` or `lz4:level=1`. A bare number is a gzip level, 0 is none.',
  },
  {
    name: 'help',
    short: '?',
    section: 'Options',
    description: 'show this help, then exit',
    details: 'Only as the first argument.',
  },
  {
    name: 'dbname',
    short: 'd',
    argument: 'CONNSTR',
    section: 'Connection options',
    description: 'connection string or URI',
    variable: 'WALSHIP_DBNAME',
    details:
      'Called dbname as in other PostgreSQL programs, but a replication connection belongs to no database: ' +
      'a name in it matters only to connection poolers and password files. Host, port and user of the options below win over it.',
  },
  {
    name: 'host',
    short: 'h',
    argument: 'HOSTNAME',
    section: 'Connection options',
    description: 'server host, or directory of its socket',
    variable: 'WALSHIP_HOST',
  },
  {
    name: 'port',
    short: 'p',
    argument: 'PORT',
    section: 'Connection options',
    description: 'server port',
    variable: 'WALSHIP_PORT',
  },
  {
    name: 'username',
    short: 'U',
    argument: 'NAME',
    section: 'Connection options',
    description: 'user to connect as',
    variable: 'WALSHIP_USERNAME',
  },
  {
    name: 'no-password',
    short: 'w',
    section: 'Connection options',
    description: 'never ask for a password',
    variable: 'WALSHIP_NO_PASSWORD',
  },
  {
    name: 'password',
    short: 'W',
    section: 'Connection options',
    description: 'ask for a password before connecting',
    variable: 'WALSHIP_ASK_PASSWORD',
    details: 'Without this a password is asked for only if the server wants one and none was found.',
  },
  {
    name: 'create-slot',
    section: 'Optional actions',
    description: 'create the slot named by --slot, then exit',
  },
  {
    name: 'drop-slot',
    section: 'Optional actions',
    description: 'drop the slot named by --slot, then exit',
  },
] as const satisfies readonly OptionDeclaration[]

type Declared = (typeof ALL)[number]
export type ReceiveOptionName = Declared['name']
type NameWithValue = Extract<Declared, { argument: string }>['name']

/** In the order of the help text. */
export const RECEIVE_OPTIONS: readonly (OptionDeclaration & { readonly name: ReceiveOptionName })[] = ALL

/** What was given on a command line or in the environment: text for options with a value, true for switches. */
export type ReceiveOptionValues = { [name in NameWithValue]?: string } & {
  [name in Exclude<ReceiveOptionName, NameWithValue>]?: boolean
}
