/** Asks for a password on this process and prints it as JSON. Run in a session without a terminal. */
import { promptPassword } from '../../../src/cli/password-prompt.js'
import type { ProgramHost } from '../../../src/cli/program-host.js'

const host: ProgramHost = {
  invokedAs: 'prompt',
  arguments: [],
  environment: {},
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  signals: {
    on: (signal, listener) => process.on(signal, listener),
    off: (signal, listener) => process.off(signal, listener),
    raise: (signal) => process.kill(process.pid, signal),
    exit: (status) => process.exit(status),
  },
}
promptPassword(host, undefined).then(
  (password) => {
    process.stdout.write(JSON.stringify(password))
    process.exit(0)
  },
  (error: Error & { code: string; hint?: string }) => {
    process.stdout.write(`${error.code}: ${error.message}`)
    process.exit(1)
  },
)
