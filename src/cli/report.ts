import { WalshipError } from '../base/index.js'
import type { PgLogger } from './pg-logging.js'
import { redactSecrets } from './redact.js'

/**
 * Prints an error the way PostgreSQL's programs do: the message, then what else is known.
 * A hint or detail that the message already contains (a server's error is shown whole) is not repeated.
 */
export function reportError(logger: PgLogger, error: unknown): void {
  logger.error(redactSecrets(messageOf(error)))
  reportAdvice(logger, error)
}

/** The same for what does not stop the program. */
export function reportWarning(logger: PgLogger, error: unknown): void {
  logger.warning(redactSecrets(messageOf(error)))
  reportAdvice(logger, error)
}

function reportAdvice(logger: PgLogger, error: unknown): void {
  if (!(error instanceof WalshipError)) return
  if (error.hint !== undefined && !error.message.includes(error.hint)) logger.hint(redactSecrets(error.hint))
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
