import { writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import { redactSecrets } from './redact.js'

/**
 * Makes the process show up in ps, pgrep and top under the program's own name rather than as
 * node, and without the password that a connection string among the arguments may hold.
 *
 * @param invokedAs the program as it was typed
 */
export function setProcessTitle(invokedAs: string, args: readonly string[]): void {
  process.title = [invokedAs, ...args.map(redactSecrets)].join(' ')
  try {
    // Setting the title cuts this short name from the whole line; pgrep -x wants the name alone.
    writeFileSync('/proc/self/comm', basename(invokedAs).slice(0, 15))
  } catch {
    // Only Linux has it, and nothing depends on it.
  }
}
