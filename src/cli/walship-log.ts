import pino, { type Logger } from 'pino'
import { prettyFactory } from 'pino-pretty'
import type { ProgramHost } from './program-host.js'
import { redactSecretsDeep } from './redact.js'
import type { LogChoice } from './walship-command-line.js'

/**
 * The log of the daemon, on stderr. Every record has a stable `event` name; texts may change,
 * names do not. JSON for machines, one object a line; pretty for a person at a terminal.
 *
 * Lines are written at once and in this thread: the last ones before an exit are the ones that matter.
 *
 * @param onLine gets each record as JSON, secrets masked
 */
export function openLog(
  host: ProgramHost,
  choice: LogChoice,
  verbose: boolean,
  onLine?: (line: string) => void,
): Logger {
  const { stderr, environment } = host
  const format = choice.format ?? (stderr.isTTY ? 'pretty' : 'json')
  const colorize = stderr.isTTY === true && !environment.NO_COLOR
  const toText = format === 'json' ? (line: string) => line : prettyText(colorize)
  return pino(
    {
      name: 'walship',
      level: choice.level ?? (verbose ? 'debug' : 'info'),
      base: { pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      hooks: {
        // Before the record becomes text: masking JSON could cut through its quotes.
        logMethod(args, log) {
          log.apply(this, args.map(redactSecretsDeep) as Parameters<typeof log>)
        },
      },
    },
    {
      write: (line) => {
        stderr.write(toText(line))
        onLine?.(line)
      },
    },
  )
}

function prettyText(colorize: boolean): (line: string) => string {
  const toText = prettyFactory({
    colorize,
    translateTime: 'SYS:yyyy-mm-dd HH:MM:ss.l',
    ignore: 'pid,name,event,cluster',
    messageFormat: ({ cluster, msg }) => (cluster === undefined ? String(msg) : `${cluster}: ${msg}`),
  })
  return (line) => toText(JSON.parse(line))
}
