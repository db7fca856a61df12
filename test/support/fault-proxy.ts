/**
 * An HTTP proxy in front of an S3 server that does faults to chosen requests and lets all others through
 * untouched. Clients sign for the proxy's own address and use path-style buckets; the Host header is passed on
 * as it is, so the server behind must not care under which name it is spoken to.
 */
import { once, setMaxListeners } from 'node:events'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import { pickPort } from '../../scripts/s3-server.js'
import { ProxiedExchange } from './proxied-exchange.js'
import {
  type Fault,
  FaultRule,
  type FaultTimes,
  matches,
  type ProxiedRequest,
  type RequestMatch,
} from './s3-faults.js'

export * from './s3-faults.js'

const PORT_ATTEMPTS = 5

export class FaultProxy implements AsyncDisposable {
  /** Every request since the start, or since `forget`, in the order in which they came. */
  requests: ProxiedRequest[] = []
  readonly #target: URL
  readonly #rules: FaultRule[] = []
  #server: http.Server | null = null
  #cut: AbortController | null = null
  #port = pickPort()

  private constructor(target: string) {
    this.#target = new URL(target)
  }

  /** @param target endpoint of the server behind, such as `http://127.0.0.1:9000` */
  static async start(target: string): Promise<FaultProxy> {
    const proxy = new FaultProxy(target)
    for (let attempt = 1; ; attempt++) {
      try {
        await proxy.accept()
        return proxy
      } catch (error) {
        if (attempt === PORT_ATTEMPTS) throw error
        proxy.#port = pickPort()
      }
    }
  }

  get endpoint(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  /** Plans a fault. Of several rules that take a request the oldest one is done; each counts for itself. */
  plan(match: RequestMatch, fault: Fault, times?: FaultTimes): FaultRule {
    const rule = new FaultRule(match, fault, times)
    this.#rules.push(rule)
    return rule
  }

  /** Drops all planned faults. */
  heal(): void {
    this.#rules.length = 0
  }

  count(match: RequestMatch): number {
    return this.requests.filter((request) => matches(request, match)).length
  }

  /** Empties the list of requests. */
  forget(): void {
    this.requests = []
  }

  /** The store is down: connections are cut, new ones refused. */
  async refuse(): Promise<void> {
    const server = this.#server
    if (server === null) return
    this.#server = null
    const closed = once(server, 'close')
    this.#cut?.abort()
    server.close()
    server.closeAllConnections()
    await closed
  }

  /** The store is back, at the same address. */
  async accept(): Promise<void> {
    if (this.#server !== null) return
    const server = http.createServer()
    const cut = new AbortController()
    setMaxListeners(0, cut.signal)
    const handle = (request: IncomingMessage, response: ServerResponse) => {
      void this.#handle(request, response, cut.signal)
    }
    server.on('request', handle)
    // Without a handler of our own the body is asked for before any fault can be done.
    server.on('checkContinue', handle)
    server.keepAliveTimeout = 60_000
    server.requestTimeout = 0
    server.listen(this.#port, '127.0.0.1')
    await once(server, 'listening')
    this.#server = server
    this.#cut = cut
  }

  async stop(): Promise<void> {
    await this.refuse()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async #handle(incoming: IncomingMessage, response: ServerResponse, signal: AbortSignal): Promise<void> {
    const request = recordOf(incoming)
    this.requests.push(request)
    const rule = this.#rules.filter((each) => each.takes(request))[0]
    request.fault = rule?.fault.kind ?? null
    rule?.countHit()
    try {
      await new ProxiedExchange(request, incoming, response, this.#target, signal).run(rule?.fault ?? null)
    } catch {
      // The client went away, or the server behind is down; a real store's front door resets just the same.
      incoming.socket.resetAndDestroy()
    }
  }
}

function recordOf(incoming: IncomingMessage): ProxiedRequest {
  const url = new URL(incoming.url ?? '/', 'http://proxy')
  const [, bucket = '', ...key] = url.pathname.split('/').map(decodeURIComponent)
  const headers = Object.entries(incoming.headers).filter(([name]) => name !== 'authorization')
  return {
    method: incoming.method ?? '',
    bucket,
    key: key.join('/'),
    query: url.searchParams,
    headers: Object.fromEntries(headers.map(([name, value]) => [name, String(value)])),
    requestBytes: 0,
    status: null,
    responseBytes: 0,
    reachedServer: false,
    fault: null,
  }
}
