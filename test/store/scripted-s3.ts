import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import http, { type IncomingHttpHeaders, type RequestListener } from 'node:http'
import https from 'node:https'
import type { AddressInfo } from 'node:net'

export interface ScriptedRequest {
  readonly method: string
  /** Path below the bucket. */
  readonly key: string
  readonly query: URLSearchParams
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

export interface ScriptedAnswer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Buffer
}

export const OK: ScriptedAnswer = { status: 200, headers: { etag: '"1"' } }

export function s3Failure(status: number, code: string): ScriptedAnswer {
  const body = `<?xml version="1.0"?><Error><Code>${code}</Code><Message>so it is</Message></Error>`
  return { status, headers: { 'content-type': 'application/xml' }, body }
}

/** Paths of PEM files. */
export interface TlsFiles {
  readonly key: string
  readonly certificate: string
}

/** An HTTP server that answers as a function says: for what no well-behaved S3 server does. */
export class ScriptedS3 implements AsyncDisposable {
  readonly requests: ScriptedRequest[] = []
  readonly #server: http.Server
  readonly #scheme: string

  private constructor(answer: (request: ScriptedRequest) => ScriptedAnswer, tls?: TlsFiles) {
    this.#scheme = tls === undefined ? 'http' : 'https'
    const listener: RequestListener = async (incoming, response) => {
      const url = new URL(incoming.url ?? '/', 'http://server')
      const [, , ...key] = url.pathname.split('/').map(decodeURIComponent)
      const request: ScriptedRequest = {
        method: incoming.method ?? '',
        key: key.join('/'),
        query: url.searchParams,
        headers: incoming.headers,
        body: Buffer.concat(await incoming.toArray()),
      }
      this.requests.push(request)
      const { status, headers, body = '' } = answer(request)
      response.writeHead(status, { 'content-length': Buffer.byteLength(body), ...headers })
      response.end(request.method === 'HEAD' ? undefined : body)
    }
    this.#server =
      tls === undefined
        ? http.createServer(listener)
        : https.createServer({ key: readFileSync(tls.key), cert: readFileSync(tls.certificate) }, listener)
  }

  static async start(
    answer: (request: ScriptedRequest) => ScriptedAnswer,
    tls?: TlsFiles,
  ): Promise<ScriptedS3> {
    const server = new ScriptedS3(answer, tls)
    server.#server.listen(0, '127.0.0.1')
    await once(server.#server, 'listening')
    return server
  }

  get endpoint(): string {
    return `${this.#scheme}://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.#server.closeAllConnections()
    await closed
  }
}
