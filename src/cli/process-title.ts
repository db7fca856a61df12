import { writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import { MASK, redactSecrets } from './redact.js'

/**
 * Makes the process show up in ps, pgrep and top under the program's own name rather than as
 * node, and without the password that a connection string among the arguments may hold.
 *
 * @param invokedAs the program as it was typed
 */
export function setProcessTitle(invokedAs: string, args: readonly string[]): void {
  process.title = [invokedAs, ...maskedArguments(args)].join(' ')
  try {
    // Setting the title cuts this short name from the whole line; pgrep -x wants the name alone.
    writeFileSync('/proc/self/comm', basename(invokedAs).slice(0, 15))
  } catch {
    // Only Linux has it, and nothing depends on it.
  }
}

/** Options whose value is a secret as a whole. */
const SECRET_OPTION = /^--heartbeat-url(?=$|=)/

/** A command line as others may see it. */
export function maskedArguments(args: readonly string[]): string[] {
  return args.map((word, index) => {
    if (SECRET_OPTION.test(args[index - 1] ?? '') && !args[index - 1]!.includes('=')) return MASK
    return SECRET_OPTION.test(word) && word.includes('=') ? `--heartbeat-url=${MASK}` : redactSecrets(word)
  })
}
