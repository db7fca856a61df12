import { readFile } from 'node:fs/promises'
import type { Logger } from 'pino'
import { errnoText, sleep, WalshipError } from '../base/index.js'
import { isLoopback, StatusServer } from '../status/index.js'
import { named } from './log-events.js'
import type { ProgramHost } from './program-host.js'
import type { StatusBoard } from './status-board.js'
import type { StatusSettings } from './status-options.js'

const RETRY_MS = 10_000

/**
 * Keeps the window open. An address that is taken, or a server that died, is logged and tried again; receiving
 * does not notice.
 */
export class StatusPublisher {
  readonly #stop = new AbortController()
  #server: StatusServer | null = null
  #running: Promise<void> = Promise.resolve()

  /**
   * Reads the files that the settings name, which is the last thing here that can stop the program.
   *
   * @throws WalshipError `CLI_STATUS_FILE`
   */
  async start(
    settings: StatusSettings,
    boards: readonly StatusBoard[],
    host: ProgramHost,
    log: Logger,
  ): Promise<void> {
    const { http, tls } = settings
    if (http === null) return
    const token = await httpToken(settings.tokenFile, host.environment)
    const files =
      tls === null
        ? undefined
        : { cert: await read(tls.certFile, 'certificate'), key: await read(tls.keyFile, 'private key') }
    if (token === undefined && !isLoopback(http.host))
      log.warn(
        { event: named('warning'), code: 'STATUS_OPEN' },
        `everybody who reaches ${http.host}:${http.port} can read the status: no token is set`,
      )
    const failed = (error: unknown) =>
      log.error(
        { event: named('http_failed'), code: 'STATUS_HTTP' },
        `status on ${http.host}:${http.port} failed: ${errnoText(error)}`,
      )
    this.#running = this.#listen(
      () =>
        StatusServer.listen({
          ...http,
          token,
          tls: files,
          clusters: () => boards.map((board) => board.snapshot()),
          history: (cluster) => boards.find((board) => board.cluster === cluster)?.history.points ?? [],
          onError: failed,
        }),
      failed,
      (url) => log.info({ event: named('http_listening'), url }, `status is at ${url}`),
    )
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await this.#running
    await this.#server?.close()
  }

  async #listen(
    listen: () => Promise<StatusServer>,
    onFailed: (error: unknown) => void,
    onListening: (url: string) => void,
  ): Promise<void> {
    let told = false
    do {
      try {
        this.#server = await listen()
        onListening(this.#server.url)
        return
      } catch (error) {
        if (!told) onFailed(error)
        told = true
      }
    } while (await sleep(RETRY_MS, this.#stop.signal))
  }
}

/** @throws WalshipError `CLI_STATUS_FILE` */
export async function httpToken(
  file: string | undefined,
  environment: ProgramHost['environment'],
): Promise<string | undefined> {
  if (file === undefined) return environment.WALSHIP_HTTP_TOKEN || undefined
  const token = (await read(file, 'token')).toString('utf8').trim()
  if (token !== '') return token
  throw new WalshipError(`token file "${file}" is empty`, {
    code: 'CLI_STATUS_FILE',
    hint: 'put the token into it, or leave the option away',
  })
}

async function read(file: string, what: string): Promise<Buffer> {
  try {
    return await readFile(file)
  } catch (error) {
    throw new WalshipError(`could not read ${what} file "${file}": ${errnoText(error)}`, {
      code: 'CLI_STATUS_FILE',
      hint: 'the user that runs this program must be able to read it',
      cause: error,
    })
  }
}
