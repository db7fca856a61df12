/** One request through a `FaultProxy`, with at most one fault done to it on the way. */
import { once } from 'node:events'
import http, { type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import https from 'node:https'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Fault, Moment, ProxiedRequest } from './s3-faults.js'

interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

/** Headers that speak of one connection and not of the message. */
const HOP_BY_HOP = ['connection', 'keep-alive', 'expect']

export class ProxiedExchange {
  readonly #request: ProxiedRequest
  readonly #incoming: IncomingMessage
  readonly #response: ServerResponse
  readonly #target: URL
  readonly #signal: AbortSignal

  /** @param signal ends what is under way with the server behind */
  constructor(
    request: ProxiedRequest,
    incoming: IncomingMessage,
    response: ServerResponse,
    target: URL,
    signal: AbortSignal,
  ) {
    this.#request = request
    this.#incoming = incoming
    this.#response = response
    this.#target = target
    this.#signal = signal
  }

  /** Bodies are held whole: a fault at a moment is then at that moment, whatever the sizes of the packets. */
  async run(fault: Fault | null): Promise<void> {
    if (await this.#breaks(fault, 'before body')) return
    if (this.#incoming.headers.expect === '100-continue') this.#response.writeContinue()
    const body = await this.#readBody(isAt(fault, 'in body'))
    if (await this.#breaks(fault, 'in body')) return
    if (await this.#breaks(fault, 'after body')) return
    if (fault?.kind === 'delay') await sleep(fault.delayMs, undefined, { signal: this.#signal })
    if (fault?.kind === 'error') return this.#send(errorDocument(fault.status, fault.code))
    const answer = await this.#forward(body)
    this.#request.reachedServer = true
    if (await this.#breaks(fault, 'before response')) return
    if (isAt(fault, 'in response')) {
      await this.#sendBeginning(answer, Math.floor(answer.body.length / 2))
      await this.#breaks(fault, 'in response')
    } else if (fault?.kind === 'truncate' && fault.announced === 'all') {
      await this.#sendBeginning(answer, fault.bytes)
      this.#incoming.socket.destroy()
    } else {
      this.#send(changed(answer, fault))
    }
  }

  /** Does what is to be done at this moment; true when the exchange ends there. */
  async #breaks(fault: Fault | null, moment: Moment): Promise<boolean> {
    if (!isAt(fault, moment)) return false
    const { socket } = this.#incoming
    if (fault?.kind === 'hold') {
      await fault.until
      return false
    }
    if (fault?.kind === 'reset') socket.resetAndDestroy()
    else if (!socket.destroyed) await once(socket, 'close')
    return true
  }

  async #readBody(halfOnly: boolean): Promise<Buffer> {
    const announced = Number(this.#incoming.headers['content-length'] ?? 0)
    const chunks: Buffer[] = []
    // The stream has to outlive the loop: destroying it would close the connection, which is another fault.
    for await (const chunk of this.#incoming.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      chunks.push(chunk)
      this.#request.requestBytes += chunk.length
      if (halfOnly && this.#request.requestBytes >= announced / 2) break
    }
    return Buffer.concat(chunks)
  }

  /** On a connection of its own, so that the death of the server behind breaks no later request. */
  async #forward(body: Buffer): Promise<Answer> {
    const { request: open } = this.#target.protocol === 'https:' ? https : http
    const outgoing = open({
      host: this.#target.hostname,
      port: this.#target.port,
      // Letter by letter as it came, because it is signed.
      path: this.#incoming.url,
      method: this.#incoming.method,
      headers: withoutHopByHop(this.#incoming.headers),
      agent: false,
      signal: this.#signal,
    })
    // What goes wrong is seen by those who wait below; one after that has no one left to tell.
    outgoing.on('error', () => {}).end(body)
    const [answer] = (await once(outgoing, 'response')) as [IncomingMessage]
    const chunks = (await answer.toArray()) as Buffer[]
    return {
      status: answer.statusCode ?? 0,
      headers: withoutHopByHop(answer.headers),
      body: Buffer.concat(chunks),
    }
  }

  #send(answer: Answer): void {
    this.#writeHead(answer)
    if (this.#request.method !== 'HEAD') this.#request.responseBytes = answer.body.length
    this.#response.end(answer.body)
  }

  /** Returns when the kernel has it, so that closing the connection then takes nothing of it back. */
  async #sendBeginning(answer: Answer, bytes: number): Promise<void> {
    this.#writeHead(answer)
    this.#response.flushHeaders()
    const beginning = answer.body.subarray(0, bytes)
    this.#request.responseBytes = beginning.length
    if (beginning.length === 0) return
    await new Promise((resolve) => this.#response.write(beginning, resolve))
  }

  #writeHead(answer: Answer): void {
    this.#request.status = answer.status
    this.#response.writeHead(answer.status, answer.headers)
  }
}

function isAt(fault: Fault | null, moment: Moment): boolean {
  return fault !== null && 'at' in fault && fault.at === moment
}

function changed(answer: Answer, fault: Fault | null): Answer {
  if (fault?.kind === 'truncate') {
    const body = answer.body.subarray(0, fault.bytes)
    return { ...answer, body, headers: { ...answer.headers, 'content-length': String(body.length) } }
  }
  if (fault?.kind === 'corrupt' && answer.body.length > 0) {
    const body = Buffer.from(answer.body)
    body[Math.floor(body.length / 2)]! ^= 1
    return { ...answer, body }
  }
  return answer
}

function errorDocument(status: number, code: string): Answer {
  const body = Buffer.from(
    `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>planned fault</Message></Error>`,
  )
  return {
    status,
    headers: { 'content-type': 'application/xml', 'content-length': String(body.length) },
    body,
  }
}

function withoutHopByHop(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !HOP_BY_HOP.includes(name)))
}
