import { once } from 'node:events'
import net from 'node:net'
import * as backend from './backend-frames.js'

/** A standby status update as it came over the wire. */
export interface Status {
  readonly write: bigint
  readonly flush: bigint
  readonly apply: bigint
  readonly clock: bigint
  readonly replyRequested: boolean
}

/** What a command is answered with: these bytes, or whatever a function does with the connection. */
export type Answer = Buffer | ((query: string, socket: net.Socket) => void)

/**
 * A walsender on loopback that does only what a test tells it: for what real servers do too
 * seldom, or never. Commands are answered from a table; in a stream the test sends frames itself.
 */
export class ScriptedWalsender implements AsyncDisposable {
  readonly queries: string[] = []
  readonly statuses: Status[] = []
  /** Cancel requests that arrived. */
  readonly cancels: { pid: number; key: number }[] = []
  /** CopyDone frames that arrived. */
  copyDones = 0
  readonly #server: net.Server
  /** Called with each status as it comes. */
  onStatus: (status: Status, socket: net.Socket) => void = () => {}
  /** Called with each CopyDone. */
  onCopyDone: (socket: net.Socket) => void = () => {}
  readonly #answers = new Map<string, Answer>()
  readonly #sockets = new Set<net.Socket>()
  #waiters: (() => void)[] = []

  private constructor() {
    this.#server = net.createServer((socket) => this.#serve(socket))
    this.answer('SHOW wal_sender_timeout', backend.result(['wal_sender_timeout'], [['1min']]))
  }

  static async start(): Promise<ScriptedWalsender> {
    const walsender = new ScriptedWalsender()
    walsender.#server.listen(0, '127.0.0.1')
    await once(walsender.#server, 'listening')
    return walsender
  }

  get options(): { host: string; port: number; user: string; keywords: { sslmode: string } } {
    const { port } = this.#server.address() as net.AddressInfo
    return { host: '127.0.0.1', port, user: 'nobody', keywords: { sslmode: 'disable' } }
  }

  /** What a command that begins with `prefix` is answered with. The longest prefix counts. */
  answer(prefix: string, answer: Answer): void {
    this.#answers.set(prefix, answer)
  }

  send(...frames: Buffer[]): void {
    for (const socket of this.#sockets) socket.write(Buffer.concat(frames))
  }

  /** Closes the line without a word. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  /** Waits until something that the client sent makes `condition` true. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#waiters.push(resolve))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #serve(socket: net.Socket): void {
    this.#sockets.add(socket)
    socket.on('close', () => this.#sockets.delete(socket))
    socket.on('error', () => {})
    let pending = Buffer.alloc(0)
    let started = false
    socket.on('data', (chunk) => {
      pending = Buffer.concat([pending, chunk])
      for (;;) {
        const header = started ? 1 : 0
        if (pending.length < header + 4) break
        const length = header + pending.readUInt32BE(header)
        if (pending.length < length) break
        const message = pending.subarray(0, length)
        pending = pending.subarray(length)
        if (started) this.#receive(socket, message)
        else if (message.readUInt32BE(4) === CANCEL_REQUEST) {
          this.cancels.push({ pid: message.readInt32BE(8), key: message.readInt32BE(12) })
          socket.destroy()
        } else {
          started = true
          socket.write(startUpAnswer())
        }
      }
      for (const wake of this.#waiters.splice(0)) wake()
    })
  }

  #receive(socket: net.Socket, message: Buffer): void {
    switch (String.fromCharCode(message[0]!)) {
      case 'Q': {
        const query = message.toString('utf8', 5, message.length - 1)
        this.queries.push(query)
        const prefix = [...this.#answers.keys()]
          .filter((key) => query.startsWith(key))
          .sort((a, b) => b.length - a.length)[0]
        const answer = prefix === undefined ? undefined : this.#answers.get(prefix)
        if (typeof answer === 'function') answer(query, socket)
        else if (answer !== undefined) socket.write(answer)
        break
      }
      case 'd':
        if (message[5] === 0x72) {
          const status = parseStatus(message.subarray(5))
          this.statuses.push(status)
          this.onStatus(status, socket)
        }
        break
      case 'c':
        this.copyDones += 1
        this.onCopyDone(socket)
        break
      case 'X':
        socket.end()
    }
  }
}

/** @param payload of a CopyData message, from its `r` on */
export function parseStatus(payload: Buffer): Status {
  return {
    write: payload.readBigUInt64BE(1),
    flush: payload.readBigUInt64BE(9),
    apply: payload.readBigUInt64BE(17),
    clock: payload.readBigInt64BE(25),
    replyRequested: payload[33] === 1,
  }
}

const CANCEL_REQUEST = 80877102

function startUpAnswer(): Buffer {
  return Buffer.concat([
    backend.frame('R', Buffer.from([0, 0, 0, 0])),
    backend.parameterStatus('server_version', '18.4'),
    backend.parameterStatus('integer_datetimes', 'on'),
    backend.parameterStatus('client_encoding', 'UTF8'),
    backend.frame('K', Buffer.from([0, 0, 0, 7, 0, 0, 0, 9])),
    backend.ready(),
  ])
}
