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
  readonly #answers = new Map<string, Buffer>()
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
  answer(prefix: string, bytes: Buffer): void {
    this.#answers.set(prefix, bytes)
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
        if (prefix !== undefined) socket.write(this.#answers.get(prefix)!)
        break
      }
      case 'd':
        if (message[5] === 0x72) {
          this.statuses.push({
            write: message.readBigUInt64BE(6),
            flush: message.readBigUInt64BE(14),
            apply: message.readBigUInt64BE(22),
            clock: message.readBigInt64BE(30),
            replyRequested: message[38] === 1,
          })
        }
        break
      case 'c':
        this.copyDones += 1
        break
      case 'X':
        socket.end()
    }
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
