import type { ErrorFacts } from '../status/index.js'
import { redactSecrets } from './redact.js'

/** An error that has just happened, for the snapshot. */
export function errorFacts(error: { readonly code: string; readonly message: string }): ErrorFacts {
  return { code: error.code, message: redactSecrets(error.message), at: new Date().toISOString() }
}
