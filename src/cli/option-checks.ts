import { CommandLineError } from './command-line-error.js'
import { parseEndPosition, parseStatusInterval } from './option-values.js'
import type { ReceiveOptionName, ReceiveOptionValues } from './receive-options.js'

/**
 * The checks of pg_receivewal that need nothing but the command line, in its order: single
 * values as they are met, then what does not go together. Compression and directory come
 * after these, see receive-settings.ts.
 */

/**
 * Checks the value of one option where the original does so while it reads its command line.
 *
 * @throws CommandLineError in PostgreSQL's words
 */
export function checkValue(name: ReceiveOptionName, text: string): void {
  try {
    if (name === 'status-interval') parseStatusInterval(text)
    if (name === 'endpos') parseEndPosition(text)
  } catch (error) {
    throw new CommandLineError((error as Error).message, { pointsAtHelp: false, cause: error })
  }
}

/**
 * Checks what must and what must not be given together.
 *
 * @throws CommandLineError in PostgreSQL's words
 */
export function checkCombination(values: ReceiveOptionValues): void {
  const { 'create-slot': create = false, 'drop-slot': drop = false } = values
  if (create && drop) throw usage('cannot use --create-slot together with --drop-slot')
  if (values.slot === undefined && (create || drop))
    throw usage(`${drop ? '--drop-slot' : '--create-slot'} needs a slot to be specified using --slot`)
  if (values.synchronous && values['no-sync']) throw usage('cannot use --synchronous together with --no-sync')
  if (values.directory === undefined && !create && !drop) throw usage('no target directory specified')
}

function usage(message: string): CommandLineError {
  return new CommandLineError(message, { pointsAtHelp: true })
}
