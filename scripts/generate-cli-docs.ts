/**
 * Writes docs/cli.md from the options as the programs declare them.
 * Usage: npx tsx scripts/generate-cli-docs.ts
 */
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { CONFIG_OPTIONS } from '../src/cli/config-file.js'
import { CONFIG_FILE_OPTIONS } from '../src/cli/config-options.js'
import { FETCH_OPTIONS } from '../src/cli/fetch-options.js'
import { LIST_OPTIONS, LOCATE_OPTIONS } from '../src/cli/inspect-options.js'
import { LOG_EVENTS } from '../src/cli/log-event-names.js'
import { MONITOR_OPTIONS } from '../src/cli/monitor-options.js'
import { PRUNE_OPTIONS } from '../src/cli/prune-options.js'
import { RECEIVE_OPTIONS, type WalshipOption } from '../src/cli/receive-options.js'
import { SHIPPING_OPTIONS } from '../src/cli/shipping-options.js'
import { STATUS_COMMAND_OPTIONS } from '../src/cli/status-command-options.js'
import { STATUS_SERVER_OPTIONS } from '../src/cli/status-options.js'
import { VERIFY_OPTIONS } from '../src/cli/verify-options.js'
import {
  CHECK_OPTION,
  LOG_OPTIONS,
  SLOT_CREATE_OPTIONS,
  SLOT_DROP_OPTIONS,
} from '../src/cli/walship-options.js'

export const CLI_DOCS_PATH = fileURLToPath(new URL('../docs/cli.md', import.meta.url))

/** The whole text of docs/cli.md. */
export function renderCliDocs(): string {
  return `# Command line

This file is made by \`npx tsx scripts/generate-cli-docs.ts\` from the options as the programs declare them.

There are two programs:

- \`pg_receivewal\` takes the place of PostgreSQL's program of that name: same options, messages and exit
  statuses. [differences.md](differences.md) lists where it differs. \`walship\` behaves in the same way when it is
  called through a link named \`pg_receivewal\`.
- \`walship\` is the same receiver as a daemon: it also tries the first connection again, waits longer from try to
  try, and writes a structured log.

## pg_receivewal

    pg_receivewal [OPTION]...

Long options may be cut to any unique prefix (\`--dir\`), short ones bundled (\`-vn\`) and their values attached
(\`-D/var/wal\`). The last of a repeated option counts.

${optionTable(RECEIVE_OPTIONS)}

## walship

    walship receive [OPTION]...
    walship status [OPTION]...
    walship slot list [OPTION]...
    walship slot create NAME [OPTION]...
    walship slot drop NAME [OPTION]...
    walship fetch [OPTION]... %f "%p"
    walship verify [OPTION]...
    walship list [OPTION]...
    walship locate [OPTION]...
    walship prune [OPTION]...
    walship help [COMMAND]
    walship --version

\`walship receive\` takes all options of \`pg_receivewal\` and these:

${optionTable([...SHIPPING_OPTIONS, CHECK_OPTION, ...CONFIG_OPTIONS, ...STATUS_SERVER_OPTIONS, ...LOG_OPTIONS])}

\`walship slot create\` takes ${names(SLOT_CREATE_OPTIONS)}; \`walship slot drop\` takes ${names(SLOT_DROP_OPTIONS)}.
The slot's name is given as \`NAME\` or with \`--slot\`.

### walship status

One screen that says how safe the data is: of a walship that runs with \`--http\`, or of a directory, a store or both, where
nobody needs to run. Its exit status is 3 when the data is in danger. See [operations.md](operations.md). With a
connection, or without any of these, it shows a server: its replication slots and replicas, as below.

${optionTable(STATUS_COMMAND_OPTIONS)}

### walship slot list

\`walship slot list\` shows the replication slots of a server, \`walship status\` also the server itself and its replicas. Both
work on primaries and standbys, from server 10 on, over an ordinary connection; a role that is a member of
\`pg_monitor\` sees everything. \`keeps\` is the WAL from a slot's restart position to the server's own.

${optionTable(MONITOR_OPTIONS)}

### walship fetch

A restore_command: see [restore.md](restore.md), also for its exit status, which differs from that of the other commands.

${optionTable(FETCH_OPTIONS)}

### walship verify

Checks the WAL in an archive or a directory: see [verify.md](verify.md). It ends with 0 when all is whole, 1 when there are
problems, 2 when it could not check.

${optionTable(VERIFY_OPTIONS)}

### walship list

Tells what WAL is in an archive or a directory: timelines, ranges of segments, the times they cover, gaps, and what a
recovery can reach; see [locate.md](locate.md). It ends with 0, or with 2 when it could not look.

${optionTable(LIST_OPTIONS)}

### walship locate

Finds a moment in WAL, and prints the settings that make a recovery stop there: see [locate.md](locate.md). One of \`--time\`,
\`--xid\`, \`--lsn\`, \`--restore-point\`, \`--before-drop\` and \`--around\` says what is looked for. It ends with 0 when that was
found, 1 when it is not there, 2 when it could not look.

${optionTable(LOCATE_OPTIONS)}

### walship prune

Removes WAL that nothing that is kept needs any more, from an archive or a directory: see [prune.md](prune.md). Without \`--apply\` it
only shows what would go. It ends with 0, with 1 when what would be kept is not whole and so nothing is removed, or with 2 when it
could not look or could not remove.

${optionTable(PRUNE_OPTIONS)}

### When it tries again

\`walship receive\` tries again after every failure that can heal: no connection, a server that is down or starting,
a full disk. The first wait is about a second, each further one about twice as long, up to a minute; half of each wait is
random, so that many receivers do not return to a server at the same moment. After a server was shut down in an
orderly way the wait is five seconds at least. It gives up, with status 1, on failures that only a person can
mend: a wrong password, a missing slot, WAL that the server has removed, another cluster's server.

\`pg_receivewal\` tries the first connection once, then retries everything every five seconds, as the original does,
but for what could spoil the archive: another cluster, or a disk whose fsync failed.

## Environment

\`walship\` reads a variable for each of these options; the command line wins. A switch is on with \`1\`, \`true\`, \`yes\`
or \`on\` and off with \`0\`, \`false\`, \`no\` or \`off\`. \`pg_receivewal\` does not read them.

${variableTable(CONFIG_FILE_OPTIONS)}

Both programs read the variables of libpq: \`PGHOST\`, \`PGPORT\`, \`PGUSER\`, \`PGPASSWORD\`, \`PGPASSFILE\`, \`PGSERVICE\`,
\`PGSSLMODE\`, \`PGOPTIONS\`, \`PGCONNECT_TIMEOUT\`, \`PGAPPNAME\` and the others. \`PGDATABASE\` has no effect, because a replication
connection belongs to no database.

\`PG_COLOR\` (\`always\`, or \`auto\` on a terminal) colours messages, and \`PG_COLORS\` says how, as in PostgreSQL's own programs.
\`NO_COLOR\` switches colours of the pretty log off.

## Configuration file

\`--config FILE\`, or the variable \`WALSHIP_CONFIG\`, names a file that gives what neither the command line nor a variable
does. It is YAML (JSON is YAML too): the long names of options, without dashes in front, each with one value.

\`\`\`yaml
# The receiver and the servers that restore can share one file: each command takes what it knows.
directory: /var/lib/walship
dbname: host=db.example.com user=walship
slot: walship
ensure-slot: on
store: s3://my-bucket/my-cluster
s3-region: eu-central-1
s3-object-lock-mode: GOVERNANCE
s3-object-lock-days: 30
keep-local: 12h
\`\`\`

- Several clusters stand under \`clusters:\`, each with its options under its name; what stands at the top then holds for each
  that says nothing else. \`receive\` and \`status\` take all, or the one that \`--cluster\` names; all other commands are about one. See
  [operations.md](operations.md#many-clusters-in-one-process).
- Every option with a variable can stand in the file, but for \`config\` and \`cluster\`. A value means what it means in the variable;
  an empty one counts as not given. Switches are \`on\` or \`off\`, or \`true\` or \`false\`.
- An unknown name is an error, with the line and what was probably meant, so that a slip does not pass unnoticed.
- Secrets have no place in it: such files get into version control, backups and chats. Passwords belong into a password file
  (\`passfile=FILE\` in the connection string) or into \`PGPASSWORD\`, keys of a store into the AWS environment or profile. A
  connection string with a password is refused.
- \`walship fetch\` reads it for each file. Give \`--spool\` on the command line if at all: named in the file, it makes each
  call slower. A relative path begins in the directory the command runs in, for a restore_command the data directory.

## Passwords

A password is looked for in the connection string, in \`PGPASSWORD\` and in the password file. If the server wants one and
none is found, it is asked for on the terminal, or on stdin where there is none, unless \`--no-password\` is given. What was
typed is kept for reconnects. Messages and logs show connection strings with their passwords masked, and so does
the process list from the moment the program has started.

## Exit status

| status | meaning |
|---|---|
| 0 | stopped on request, end position reached, the slot action done, or nothing found by \`--check\` |
| 1 | failed, or \`--check\` found something; for \`pg_receivewal\` this includes mistakes in the command line |
| 2 | \`walship\` only: a mistake in the command line or in a variable |
| 3 | \`walship status\` only: the data is in danger |

## Signals

| signal | effect |
|---|---|
| SIGINT, SIGTERM | a clean stop: what was received is written and forced to disk, the server is told, the connection is closed; status 0 |
| a second one | ends at once, with status 1; what was acknowledged to the server is safe |
| SIGHUP, SIGQUIT, SIGUSR1 | end the process by default |

\`pg_receivewal\` begins to catch signals when its first connection works, as the original does; before, they end it at once.

## Log

\`walship receive\` logs to stderr. Each record has \`time\`, \`level\`, \`pid\`, \`event\` and \`msg\`, and the fields named here. Texts may
change between releases; event names and fields do not.

| event | meaning |
|---|---|
${Object.entries(LOG_EVENTS)
  .map(([name, meaning]) => `| \`${name}\` | ${meaning} |`)
  .join('\n')}
`
}

function optionTable(options: readonly WalshipOption[]): string {
  const rows = options.map((option) => {
    const short = option.short === undefined ? '' : `\`-${option.short}\``
    const argument = option.argument === undefined ? '' : `=${option.argument}`
    return `| ${short} | \`--${option.name}${argument}\` | ${meaning(option)} |`
  })
  return ['| short | long | meaning |', '|---|---|---|', ...rows].join('\n')
}

function meaning(option: WalshipOption): string {
  const choices =
    option.choices === undefined ? '' : `: ${option.choices.map((choice) => `\`${choice}\``).join(', ')}`
  const byDefault = option.defaultText === undefined ? '' : ` (default: \`${option.defaultText}\`)`
  const details = option.details === undefined ? '' : ` ${option.details}`
  return `${capitalized(option.description)}${choices}${byDefault}.${details}`
}

function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}

function names(options: readonly WalshipOption[]): string {
  return options.map(({ name }) => `\`--${name}\``).join(', ')
}

function variableTable(options: readonly WalshipOption[]): string {
  const rows = options
    .filter(({ variable }) => variable !== undefined)
    .map(({ name, variable }) => `| \`${variable}\` | \`--${name}\` |`)
  return ['| variable | option |', '|---|---|', ...rows].join('\n')
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(CLI_DOCS_PATH, renderCliDocs())
