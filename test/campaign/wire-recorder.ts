/**
 * A proxy between a server and a receiver. It notes each status update that the receiver sends (what it says is safe,
 * on which timeline, when), and does to the line what happens to lines.
 */
import { once } from 'node:events'
import net from 'node:net'
import { type Lsn, lsnMax } from '../../src/wal/index.js'
import { parseStatus } from '../support/scripted-walsender.js'

export interface Feedback {
  readonly at: number
  readonly timeline: number
  readonly write: Lsn
  readonly flush: Lsn
}

export class WireRecorder implements AsyncDisposable {
  /** All that were sent, the oldest first. */
  readonly feedback: Feedback[] = []
  /** The highest flush position by timeline. */
  readonly acknowledged = new Map<number, Lsn>()
  /** Bytes that went to the receiver. */
  bytesSent = 0
  /** Port of the server that new connections go to. */
  target: number
  /** New connections are refused. */
  refuses = false
  readonly #server: net.Server
  readonly #lines = new Set<Line>()

  private constructor(target: number) {
    this.target = target
    this.#server = net.createServer({ allowHalfOpen: true }, (client) => this.#join(client))
  }

  static async start(target: number): Promise<WireRecorder> {
    const recorder = new WireRecorder(target)
    recorder.#server.listen(0, '127.0.0.1')
    await once(recorder.#server, 'listening')
    return recorder
  }

  get port(): number {
    return (this.#server.address() as net.AddressInfo).port
  }

  get dsn(): string {
    return `host=127.0.0.1 port=${this.port} user=postgres dbname=postgres sslmode=disable gssencmode=disable`
  }

  /** The highest flush position on a timeline; 0 when nothing was acknowledged. */
  flushed(timeline: number): Lsn {
    return this.acknowledged.get(timeline) ?? (0n as Lsn)
  }

  /** Resets all connections. */
  cut(): void {
    for (const line of this.#lines) line.cut()
  }

  /** Ends what goes to the receiver and goes on taking what comes from it, or the other way round. */
  halfClose(side: 'receiver' | 'server'): void {
    for (const line of this.#lines) line.halfClose(side)
  }

  /** Nothing goes through any more, in both directions, until `resume`. */
  stall(): void {
    for (const line of this.#lines) line.pause()
  }

  resume(): void {
    for (const line of this.#lines) line.resume()
  }

  /** Passes the next bytes on in pieces of so few; 0 ends it. */
  trickle(pieceSize: number): void {
    for (const line of this.#lines) line.pieceSize = pieceSize
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #join(client: net.Socket): void {
    if (this.refuses) {
      client.resetAndDestroy()
      return
    }
    const line = new Line(
      client,
      net.connect({ port: this.target, host: '127.0.0.1', allowHalfOpen: true }),
      {
        onSent: (byteCount) => {
          this.bytesSent += byteCount
        },
        onFeedback: (feedback) => {
          this.feedback.push(feedback)
          const { timeline, flush } = feedback
          this.acknowledged.set(timeline, lsnMax(this.flushed(timeline), flush))
        },
      },
    )
    this.#lines.add(line)
    line.onEnd = () => this.#lines.delete(line)
  }
}

interface LineEvents {
  onSent(byteCount: number): void
  onFeedback(feedback: Feedback): void
}

/** One connection through the proxy. */
class Line {
  pieceSize = 0
  onEnd: () => void = () => {}
  readonly #client: net.Socket
  readonly #server: net.Socket
  readonly #events: LineEvents
  #pending = Buffer.alloc(0)
  #started = false
  #timeline = 0

  constructor(client: net.Socket, server: net.Socket, events: LineEvents) {
    this.#client = client
    this.#server = server
    this.#events = events
    for (const socket of [client, server]) {
      socket.setNoDelay(true)
      socket.on('error', () => {})
      socket.on('close', () => this.cut())
    }
    client.on('data', (bytes) => {
      // Before it goes on: what the server has heard is in the record.
      this.#watch(bytes)
      this.#pass(bytes, client, server)
    })
    server.on('data', (bytes) => {
      events.onSent(bytes.length)
      this.#pass(bytes, server, client)
    })
    client.on('end', () => server.end())
    server.on('end', () => client.end())
  }

  cut(): void {
    if (!this.#client.destroyed) this.#client.resetAndDestroy()
    if (!this.#server.destroyed) this.#server.resetAndDestroy()
    this.onEnd()
  }

  halfClose(side: 'receiver' | 'server'): void {
    const [from, to] = side === 'receiver' ? [this.#server, this.#client] : [this.#client, this.#server]
    from.removeAllListeners('data')
    from.resume()
    to.end()
  }

  pause(): void {
    this.#client.pause()
    this.#server.pause()
  }

  resume(): void {
    this.#client.resume()
    this.#server.resume()
  }

  #pass(bytes: Buffer, from: net.Socket, to: net.Socket): void {
    let taken = true
    const { pieceSize } = this
    if (pieceSize === 0) taken = to.write(bytes)
    else
      for (let at = 0; at < bytes.length; at += pieceSize)
        taken = to.write(bytes.subarray(at, at + pieceSize))
    if (taken) return
    from.pause()
    to.once('drain', () => from.resume())
  }

  #watch(bytes: Buffer): void {
    this.#pending = Buffer.concat([this.#pending, bytes])
    for (;;) {
      const header = this.#started ? 1 : 0
      if (this.#pending.length < header + 4) return
      const length = header + this.#pending.readUInt32BE(header)
      if (this.#pending.length < length) return
      const message = this.#pending.subarray(0, length)
      this.#pending = this.#pending.subarray(length)
      if (this.#started) this.#receive(message)
      else this.#started = length !== 8
    }
  }

  #receive(message: Buffer): void {
    const type = String.fromCharCode(message[0]!)
    if (type === 'Q') {
      const timeline = /^START_REPLICATION .* TIMELINE (\d+)/.exec(message.toString('utf8', 5))?.[1]
      if (timeline !== undefined) this.#timeline = Number(timeline)
    } else if (type === 'd' && message[5] === 0x72) {
      const { write, flush } = parseStatus(message.subarray(5))
      this.#events.onFeedback({
        at: Date.now(),
        timeline: this.#timeline,
        write: write as Lsn,
        flush: flush as Lsn,
      })
    }
  }
}
