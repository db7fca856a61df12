import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { asksForLoopback, carriesToken, isLoopback } from './access.js'
import { fleetOf, oneLine, statusOf } from './fleet.js'
import type { HistoryPoint } from './history.js'
import { METRICS_CONTENT_TYPE, renderMetrics } from './metrics.js'
import { PAGE, PAGE_POLICY } from './page/page.js'
import type { StatusSnapshot } from './snapshot.js'

export interface StatusServerOptions {
  readonly host: string
  /** 0: any free one. */
  readonly port: number
  /** Wanted for everything but /healthz and /readyz. */
  readonly token?: string
  /** PEM. */
  readonly tls?: { readonly cert: Buffer; readonly key: Buffer }
  /** An asker gets so long to ask, and so long to take the next bytes of the answer. Default 10 s. */
  readonly patienceMs?: number
  /** Of all clusters of the process; one at least. */
  clusters(): readonly StatusSnapshot[]
  history(cluster: string | null): readonly HistoryPoint[]
  /** Something failed inside of an answer; the asker got status 500. */
  onError(error: unknown): void
}

interface Answer {
  readonly status: number
  readonly type: string
  readonly body: string
  readonly headers?: Readonly<Record<string, string>>
}

const PATIENCE_MS = 10_000
const MAX_HEADER_BYTES = 8 * 1024
const MAX_CONNECTIONS = 64

const SECURITY_HEADERS = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
} as const

/**
 * The window: answers a fixed set of paths from the snapshot, and nothing else. No file is read for a
 * request, no body is taken, and nothing that goes wrong in here reaches the rest of the program.
 */
export class StatusServer {
  readonly #options: StatusServerOptions
  readonly #server: Server

  private constructor(options: StatusServerOptions) {
    this.#options = options
    const { patienceMs = PATIENCE_MS } = options
    const limits = {
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: patienceMs,
      requestTimeout: patienceMs,
      keepAliveTimeout: patienceMs / 2,
      connectionsCheckingInterval: Math.min(1000, patienceMs),
    }
    const listener = (request: IncomingMessage, response: ServerResponse) => {
      void this.#respond(request, response)
    }
    this.#server =
      options.tls === undefined
        ? createServer(limits, listener)
        : createTlsServer({ ...limits, ...options.tls, handshakeTimeout: patienceMs }, listener)
    this.#server.maxConnections = MAX_CONNECTIONS
    this.#server.setTimeout(patienceMs, (socket) => socket.destroy())
    this.#server.on('clientError', (_error, socket) => socket.destroy())
  }

  /**
   * @throws what listen(2) says, or the TLS library about a certificate
   */
  static async listen(options: StatusServerOptions): Promise<StatusServer> {
    const made = new StatusServer(options)
    await new Promise<void>((resolve, reject) => {
      made.#server.once('error', reject)
      made.#server.listen(options.port, options.host, () => {
        made.#server.off('error', reject)
        made.#server.on('error', (error) => options.onError(error))
        resolve()
      })
    })
    return made
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port
  }

  get url(): string {
    const { host, tls } = this.#options
    return `${tls === undefined ? 'http' : 'https'}://${host.includes(':') ? `[${host}]` : host}:${this.port}/`
  }

  /** Drops who is connected, too: nobody may hold up the end of the program. */
  async close(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve())
      this.#server.closeAllConnections()
    })
  }

  async #respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const { status, type, body, headers } = await this.#answer(request)
      const takesNoBody = 'content-length' in request.headers || 'transfer-encoding' in request.headers
      response.writeHead(status, {
        ...SECURITY_HEADERS,
        ...headers,
        'content-type': type,
        'content-length': Buffer.byteLength(body),
        ...(takesNoBody ? { connection: 'close' } : {}),
      })
      response.end(request.method === 'HEAD' ? undefined : body)
    } catch (error) {
      this.#options.onError(error)
      if (response.headersSent) response.destroy()
      else response.writeHead(500, { ...SECURITY_HEADERS, connection: 'close' }).end()
    }
  }

  async #answer(request: IncomingMessage): Promise<Answer> {
    const { token, host } = this.#options
    const [path, query = ''] = (request.url ?? '').split('?', 2) as [string, string?]
    const wanted = new URLSearchParams(query).get('cluster')
    const answer = this.#paths.get(path)
    if (request.method !== 'GET' && request.method !== 'HEAD')
      return plain(405, 'only GET and HEAD\n', { allow: 'GET, HEAD' })
    if (request.headers['content-length'] !== undefined && request.headers['content-length'] !== '0')
      return plain(413, 'no body is taken\n')
    if (token === undefined && isLoopback(host) && !asksForLoopback(request))
      return plain(421, 'ask under the name localhost\n')
    if (path === '/healthz') return plain(200, 'ok\n')
    if (path === '/readyz')
      return this.#readiness(wanted, token === undefined || carriesToken(request, token))
    if (token !== undefined && !carriesToken(request, token))
      return plain(401, 'a token is needed\n', {
        'www-authenticate': 'Basic realm="walship", charset="UTF-8"',
      })
    return answer === undefined ? plain(404, 'there is nothing here\n') : answer(wanted)
  }

  /** Each is given the name of the cluster that is asked for, or null. */
  readonly #paths = new Map<string, (wanted: string | null) => Answer | Promise<Answer>>([
    ['/', () => ({ status: 200, type: 'text/html; charset=utf-8', body: PAGE, headers: PAGE_POLICY })],
    [
      '/metrics',
      async () => ({
        status: 200,
        type: METRICS_CONTENT_TYPE,
        body: await renderMetrics(this.#options.clusters()),
      }),
    ],
    [
      '/status.json',
      (wanted) => {
        const clusters = this.#clusters(wanted)
        if (clusters.length === 0) return NO_SUCH_CLUSTER
        return json(wanted === null ? statusOf(clusters) : clusters[0])
      },
    ],
    [
      '/history.json',
      (wanted) => {
        const clusters = this.#clusters(wanted)
        if (clusters.length === 0) return NO_SUCH_CLUSTER
        if (clusters.length > 1) return plain(404, 'name one by ?cluster=NAME\n')
        return json(this.#options.history(clusters[0]!.cluster))
      },
    ],
  ])

  #clusters(wanted: string | null): readonly StatusSnapshot[] {
    const clusters = this.#options.clusters()
    return wanted === null ? clusters : clusters.filter(({ cluster }) => cluster === wanted)
  }

  /** Without the token only yes or no. */
  #readiness(wanted: string | null, mayKnowWhy: boolean): Answer {
    const clusters = this.#clusters(wanted)
    if (clusters.length === 0) return mayKnowWhy ? NO_SUCH_CLUSTER : plain(503, 'not ready\n')
    const tell = (cluster: string | null, text: string) =>
      cluster === null ? `${text}\n` : `${cluster}: ${oneLine(text)}\n`
    if (fleetOf(clusters).ready) {
      if (!clusters.every(({ stream }) => stream.state === 'standby')) return plain(200, 'ready\n')
      // Ready to take over is all that a standby can be; not ready would hold up each rollout for ever.
      const whom = clusters.map(({ cluster, stream }) => tell(cluster, stream.standby ?? ''))
      return plain(200, mayKnowWhy ? `standby\n${whom.join('')}` : 'standby\n')
    }
    const why = clusters.flatMap(({ cluster, verdict }) =>
      verdict.reasons.filter(({ blocksReady }) => blocksReady).map(({ text }) => tell(cluster, text)),
    )
    return plain(503, mayKnowWhy ? `not ready\n${why.join('')}` : 'not ready\n')
  }
}

const NO_SUCH_CLUSTER = plain(404, 'there is no such cluster\n')

function plain(status: number, body: string, headers?: Answer['headers']): Answer {
  return { status, type: 'text/plain; charset=utf-8', body, headers }
}

function json(value: unknown): Answer {
  return { status: 200, type: 'application/json; charset=utf-8', body: `${JSON.stringify(value)}\n` }
}
