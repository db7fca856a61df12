/** A server that streams a known history, is promoted when told to, and remembers what it was told is safe. */
import type net from 'node:net'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { formatLsn, type Lsn, lsnMax, lsnMin, parseLsn, segmentFloor } from '../../src/wal/index.js'
import { SYSTEM_IDENTIFIER } from '../records/wal-bytes.js'
import * as backend from '../support/backend-frames.js'
import { below, type Random } from '../support/random.js'
import { ScriptedWalsender } from '../support/scripted-walsender.js'
import { SEGMENT_SIZE, type SimulatedHistory } from './simulated-history.js'

/** In one message at most; PostgreSQL's is 128 kB. */
const MAX_MESSAGE = 128 * 1024
const IDLE_MS = 2
const END_OF_COPY = Buffer.concat([
  backend.commandComplete('START_STREAMING'),
  backend.commandComplete('START_REPLICATION'),
  backend.ready(),
])

export class SimulatedPrimary implements AsyncDisposable {
  readonly walsender: ScriptedWalsender
  readonly #history: SimulatedHistory
  readonly #random: Random
  /** The highest flush position that was reported, by timeline. */
  readonly acknowledged = new Map<number, Lsn>()
  /** The highest write position that was reported on the present timeline. */
  written = 0n as Lsn
  timeline = 1
  /** Probability that the line is cut after a message. */
  cutsLine = 0
  /** Probability that a keepalive asks for an answer. */
  asksForReply = 0.1
  readonly #streams = new Map<net.Socket, number>()
  /** Streams whose timeline has ended. */
  readonly #leaving = new Set<net.Socket>()
  #stopped = false

  private constructor(walsender: ScriptedWalsender, history: SimulatedHistory, random: Random) {
    this.walsender = walsender
    this.#history = history
    this.#random = random
    walsender.answer('SHOW data_directory_mode', backend.result(['data_directory_mode'], [['0700']]))
    walsender.answer('SHOW wal_segment_size', backend.result(['wal_segment_size'], [['1MB']]))
    walsender.answer('IDENTIFY_SYSTEM', (_, socket) => socket.write(this.#identity()))
    walsender.answer('READ_REPLICATION_SLOT', (_, socket) => socket.write(this.#slot()))
    walsender.answer('TIMELINE_HISTORY', (query, socket) => socket.write(this.#historyFile(query)))
    walsender.answer('START_REPLICATION', (query, socket) => void this.#stream(query, socket))
    walsender.onCopyDone = (socket) => this.#answerCopyDone(socket)
    walsender.onStatus = (status, socket) => this.#note(status.write as Lsn, status.flush as Lsn, socket)
  }

  static async start(history: SimulatedHistory, random: Random): Promise<SimulatedPrimary> {
    return new SimulatedPrimary(await ScriptedWalsender.start(), history, random)
  }

  /** End of the WAL of the present timeline. */
  get end(): Lsn {
    return this.#history.timeline(this.timeline).end
  }

  get isAllWritten(): boolean {
    return this.written >= this.end
  }

  /** Bytes that were acknowledged so far. */
  get acknowledgedBytes(): number {
    const highest = [...this.acknowledged.values()].reduce(lsnMax, this.#history.first)
    return Number(highest - this.#history.first)
  }

  promote(): void {
    if (this.timeline === this.#history.lastTimeline) return
    this.timeline += 1
    this.written = 0n as Lsn
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true
    await this.walsender[Symbol.asyncDispose]()
  }

  #note(write: Lsn, flush: Lsn, socket: net.Socket): void {
    const timeline = this.#streams.get(socket)
    if (timeline === undefined) return
    this.acknowledged.set(timeline, lsnMax(this.acknowledged.get(timeline) ?? (0n as Lsn), flush))
    if (timeline === this.timeline) this.written = lsnMax(this.written, write)
  }

  #identity(): Buffer {
    const names = ['systemid', 'timeline', 'xlogpos', 'dbname']
    return backend.result(names, [
      [String(SYSTEM_IDENTIFIER), String(this.timeline), formatLsn(this.end), null],
    ])
  }

  /** As the server moves it: to what was acknowledged. */
  #slot(): Buffer {
    const timeline = Math.max(1, ...this.acknowledged.keys())
    const restart = lsnMax(this.#history.first, this.acknowledged.get(timeline) ?? this.#history.first)
    const names = ['slot_type', 'restart_lsn', 'restart_tli']
    return backend.result(names, [['physical', formatLsn(restart), String(timeline)]])
  }

  #historyFile(query: string): Buffer {
    const timeline = Number(query.split(' ')[1])
    const name = `${timeline.toString(16).toUpperCase().padStart(8, '0')}.history`
    return backend.result(['filename', 'content'], [[name, this.#history.historyFile(timeline)]])
  }

  async #stream(query: string, socket: net.Socket): Promise<void> {
    const match = / ([0-9A-F]+\/[0-9A-F]+) TIMELINE (\d+)/i.exec(query)!
    const timeline = Number(match[2])
    let at = parseLsn(match[1]!)
    // A timeline that was left, and of which there is nothing more.
    if (timeline < this.timeline && at >= this.#history.timeline(timeline).end) {
      socket.write(this.#nextTimeline(timeline))
      return
    }
    this.#streams.set(socket, timeline)
    socket.once('close', () => this.#streams.delete(socket))
    socket.write(backend.copyBoth())
    const { end } = this.#history.timeline(timeline)
    const random = this.#random
    while (!this.#stopped && !socket.destroyed && this.#streams.has(socket)) {
      if (at < end) {
        const size = 1 + Math.floor(MAX_MESSAGE ** (0.4 + 0.6 * random()))
        const next = lsnMin(end, (at + BigInt(size)) as Lsn)
        await this.#write(socket, backend.xlogData(at, this.#history.bytes(timeline, at, next), end))
        at = next
      } else if (timeline < this.timeline) {
        this.#leaving.add(socket)
        socket.write(backend.copyDone())
        return
      } else await sleep(IDLE_MS)
      if (!this.#streams.has(socket)) return
      // A server asks seldom; what waits for an answer at its shutdown has tests of its own.
      if (random() < 0.2) socket.write(backend.keepalive(at, random() < this.asksForReply))
      if (random() < this.cutsLine) socket.resetAndDestroy()
    }
  }

  /** Whole, or in pieces that split headers. */
  async #write(socket: net.Socket, frame: Buffer): Promise<void> {
    const random = this.#random
    const cut = random() < 0.2 ? 1 + below(random, Math.min(40, frame.length - 1)) : frame.length
    for (const piece of [frame.subarray(0, cut), frame.subarray(cut)]) {
      if (piece.length === 0 || socket.destroyed || !this.#streams.has(socket)) continue
      const taken = socket.write(piece)
      await (taken ? nextTurn() : drained(socket))
    }
  }

  /** The client's CopyDone: the answer to ours at the end of a timeline, or its own wish to stop. */
  #answerCopyDone(socket: net.Socket): void {
    const timeline = this.#streams.get(socket)
    if (timeline === undefined) return
    const hasLeft = this.#leaving.delete(socket)
    this.#streams.delete(socket)
    socket.write(hasLeft ? this.#nextTimeline(timeline) : Buffer.concat([backend.copyDone(), END_OF_COPY]))
  }

  #nextTimeline(timeline: number): Buffer {
    const { end } = this.#history.timeline(timeline)
    return Buffer.concat([
      backend.rowDescription(['next_tli', 'next_tli_startpos']),
      backend.dataRow([String(timeline + 1), formatLsn(end)]),
      END_OF_COPY,
    ])
  }
}

function drained(socket: net.Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      socket.off('drain', done).off('close', done)
      resolve()
    }
    socket.on('drain', done).on('close', done)
  })
}

/** Where a timeline's first segment begins. */
export function timelineStart(history: SimulatedHistory, timeline: number): Lsn {
  return timeline === 1 ? history.first : segmentFloor(history.timeline(timeline - 1).end, SEGMENT_SIZE)
}
