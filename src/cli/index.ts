import { basename } from 'node:path'
import { closeFatalDoor } from './fatal-door.js'
import { invokedName } from './invocation.js'
import { setProcessTitle } from './process-title.js'
import type { ProgramHost } from './program-host.js'
import { redactSecrets } from './redact.js'
import { endOnDebuggerSignal } from './stop-request.js'

/** The programs, in files of their own: neither pays for loading what only the other needs. */
const PROGRAMS = {
  walship: async (host: ProgramHost) => (await import('./walship.js')).runWalship(host),
  pg_receivewal: async (host: ProgramHost) => (await import('./pg-receivewal.js')).runPgReceivewal(host),
} as const

/**
 * Runs a program on this process and ends the process with its status.
 *
 * @param program which one. bin/walship under the name pg_receivewal (a symlink) is the drop-in too.
 */
export async function main(program: keyof typeof PROGRAMS): Promise<never> {
  const [, scriptPath = program, ...args] = process.argv
  const invokedAs = invokedName(scriptPath, args.length, process.env)
  setProcessTitle(invokedAs, args)
  const name = basename(invokedAs)
  closeFatalDoor((error) => process.stderr.write(`${name}: error: ${fatalText(error)}\n`))
  const run = PROGRAMS[name === 'pg_receivewal' ? 'pg_receivewal' : program]
  const host: ProgramHost = {
    invokedAs,
    arguments: args,
    environment: process.env,
    // Not touched unless a password is read from it.
    get stdin() {
      return process.stdin
    },
    stdout: process.stdout,
    stderr: process.stderr,
    signals: {
      on: (signal, listener) => process.on(signal, listener),
      off: (signal, listener) => process.off(signal, listener),
      raise: (signal) => process.kill(process.pid, signal),
      exit: (code) => process.exit(code),
    },
  }
  endOnDebuggerSignal(host.signals)
  const status = await run(host)
  // Not by letting the event loop run empty: a socket that somebody forgot would keep the program alive.
  process.exit(status)
}

/** An error nobody expected: with its stack, which is what a bug report needs. */
function fatalText(error: unknown): string {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
  return `unexpected failure: ${redactSecrets(text)}`
}
