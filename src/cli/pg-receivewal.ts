import { basename } from 'node:path'
import { CommandLineError } from './command-line-error.js'
import { type GetoptOption, getopt } from './getopt.js'
import { checkCombination, checkValue } from './option-checks.js'
import { dropInHelp } from './pg-help.js'
import { PgLogger } from './pg-logging.js'
import { EXIT, type ProgramHost } from './program-host.js'
import { RECEIVE_OPTIONS, type ReceiveOptionName, type ReceiveOptionValues } from './receive-options.js'
import { reportError } from './report.js'
import { dropInVersionLine } from './version.js'

/**
 * The drop-in: command line, messages and exit statuses of pg_receivewal 18.
 *
 * @returns the exit status
 */
export async function runPgReceivewal(host: ProgramHost): Promise<number> {
  const programName = basename(host.invokedAs)
  // Looked for in this place only, as in all of PostgreSQL's programs.
  const first = host.arguments[0]
  if (first === '--help' || first === '-?') {
    host.stdout.write(dropInHelp(programName))
    return EXIT.done
  }
  if (first === '--version' || first === '-V') {
    host.stdout.write(`${dropInVersionLine()}\n`)
    return EXIT.done
  }

  const logger = new PgLogger(programName, host.stderr, host.environment)
  try {
    const values = readCommandLine(host)
    // Loaded only now: --version and mistakes answer without it, and Barman asks for the version often.
    const { receiveAsDropIn } = await import('./pg-receivewal-run.js')
    return await receiveAsDropIn(values, host, programName, logger)
  } catch (error) {
    if (!(error instanceof GetoptComplaint)) reportError(logger, error)
    if (error instanceof CommandLineError && error.pointsAtHelp)
      logger.hint(`Try "${programName} --help" for more information.`)
    return EXIT.failed
  }
}

/** getopt has printed what is wrong. */
class GetoptComplaint extends CommandLineError {}

/** @throws CommandLineError */
export function readCommandLine(host: ProgramHost): ReceiveOptionValues {
  const values: ReceiveOptionValues = {}
  for (const item of getopt(host.arguments, GETOPT_OPTIONS)) {
    switch (item.kind) {
      case 'complaint':
        host.stderr.write(`${host.invokedAs}: ${item.text}\n`)
        throw new GetoptComplaint(item.text, { pointsAtHelp: true })
      case 'operands':
        if (item.operands.length > 0)
          throw new CommandLineError(`too many command-line arguments (first is "${item.operands[0]}")`, {
            pointsAtHelp: true,
          })
        break
      case 'option': {
        const name = item.name as ReceiveOptionName
        // Known to getopt as long options, but of use only as the first argument.
        if (name === 'help' || name === 'version') throw new GetoptComplaint(name, { pointsAtHelp: true })
        if (item.argument !== undefined) checkValue(name, item.argument)
        // One setting in the original, so the later of the two counts.
        if (name === 'password') delete values['no-password']
        if (name === 'no-password') delete values.password
        Object.assign(values, { [name]: item.argument ?? true })
      }
    }
  }
  checkCombination(values)
  return values
}

/** The order in which getopt lists possibilities is that of the original's option table. */
const LONG_OPTION_ORDER: readonly ReceiveOptionName[] = [
  'help',
  'version',
  'directory',
  'dbname',
  'endpos',
  'host',
  'port',
  'username',
  'no-loop',
  'no-password',
  'password',
  'status-interval',
  'slot',
  'verbose',
  'compress',
  'create-slot',
  'drop-slot',
  'if-not-exists',
  'synchronous',
  'no-sync',
]

const GETOPT_OPTIONS: readonly GetoptOption[] = LONG_OPTION_ORDER.map((name) => {
  const { short, argument } = RECEIVE_OPTIONS.find((option) => option.name === name)!
  const onlyLong = name === 'help' || name === 'version'
  return { name, short: onlyLong ? undefined : short, hasArgument: argument !== undefined }
})
