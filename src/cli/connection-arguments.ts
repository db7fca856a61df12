import type { ConnectOptions } from '../pg/index.js'
import { promptPassword } from './password-prompt.js'
import type { ProgramHost } from './program-host.js'
import type { ReceiveOptionValues } from './receive-options.js'
import type { StopRequest } from './stop-request.js'

/**
 * How to connect, from the connection options of a command line. With --password this asks
 * for one at once; a password asked for is kept, so that reconnecting never asks again.
 *
 * @param programName the application_name unless something else gives one
 * @param stop ends the wait for a password, once it listens
 */
export async function connectionArguments(
  values: ReceiveOptionValues,
  host: ProgramHost,
  programName: string,
  stop?: StopRequest,
): Promise<ConnectOptions> {
  const ask = () => promptPassword(host, stop?.listening ? stop.signal : undefined)
  let answer: Promise<string> | undefined
  const askOnce = () => {
    answer ??= ask()
    return answer
  }
  return {
    dsn: values.dbname,
    host: values.host,
    port: values.port,
    user: values.username,
    password: values.password ? await ask() : values['no-password'] ? undefined : askOnce,
    fallbackApplicationName: programName,
    // PGDATABASE names a database to work in; a physical replication connection has none.
    environment: { ...host.environment, PGDATABASE: undefined },
    // Word for word what libpq itself prints on stderr, without the program's name.
    onNotice: (notice) => void host.stderr.write(`${notice.severity}:  ${notice.message}\n`),
    onWarning: (text) => void host.stderr.write(`WARNING: ${text}\n`),
  }
}
