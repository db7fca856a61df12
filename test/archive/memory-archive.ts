import type { ArchiveTarget, TailRange } from '../../src/archive/index.js'
import { WalshipError } from '../../src/base/index.js'
import type { Content } from '../../src/codec/index.js'

export type Operation = Exclude<keyof ArchiveTarget, 'name'>

/** What is to happen to the calls a test picks. */
export type Fault = 'fail' | 'lose-response'

/**
 * An archive in memory that behaves, and misbehaves, as a test says: calls can fail before or after they
 * took effect, wait, or all fail for a while.
 */
export class MemoryArchive implements ArchiveTarget {
  readonly name = 'memory:test'
  readonly segments = new Map<string, Buffer>()
  readonly histories = new Map<number, Buffer>()
  readonly tails = new Map<string, { part: TailRange; raw: Buffer }>()
  /** Calls in the order in which they took effect. */
  readonly log: string[] = []
  /** All calls that were made, counted by operation. */
  readonly calls = new Map<Operation, number>()
  /** While true every call fails. */
  down = false
  /** Called before each call takes effect; may wait, or say what goes wrong. */
  onCall: (operation: Operation, what: string) => Promise<Fault | undefined> | Fault | undefined = () =>
    undefined
  bytesReceived = 0

  async putSegment(name: string, wal: Content): Promise<'stored' | 'already-there'> {
    const raw = Buffer.alloc(wal.length)
    await wal.read(raw, 0)
    return this.#call('putSegment', name, () => {
      const there = this.segments.get(name)
      if (there !== undefined && !there.equals(raw)) throw conflict(name)
      this.bytesReceived += raw.length
      this.segments.set(name, Buffer.from(raw))
      return there === undefined ? 'stored' : 'already-there'
    })
  }

  async putHistory(timeline: number, content: Buffer): Promise<void> {
    return this.#call('putHistory', String(timeline), () => {
      const there = this.histories.get(timeline)
      if (there !== undefined && !there.equals(content)) throw conflict(`history of ${timeline}`)
      this.histories.set(timeline, Buffer.from(content))
    })
  }

  async getHistory(timeline: number): Promise<Buffer | null> {
    return this.#call('getHistory', String(timeline), () => this.histories.get(timeline) ?? null)
  }

  async *listSegments(timeline: number, options: { after?: string } = {}): AsyncGenerator<string> {
    const prefix = timeline.toString(16).toUpperCase().padStart(8, '0')
    const names = await this.#call('listSegments', prefix, () =>
      [...this.segments.keys()]
        .filter((name) => name.startsWith(prefix) && name > (options.after ?? ''))
        .sort(),
    )
    yield* names
  }

  async putTailPart(part: TailRange, wal: Content): Promise<void> {
    const raw = Buffer.alloc(wal.length)
    await wal.read(raw, 0)
    const key = keyOf(part)
    return this.#call('putTailPart', key, () => {
      if (raw.length !== part.to - part.from) throw new TypeError(`part ${key} has ${raw.length} bytes`)
      const there = this.tails.get(key)
      if (there !== undefined && !there.raw.equals(raw)) throw conflict(key)
      this.bytesReceived += raw.length
      const { timeline, segment, from, to } = part
      this.tails.set(key, { part: { timeline, segment, from, to }, raw: Buffer.from(raw) })
    })
  }

  async listTailParts(timeline: number, segment: bigint): Promise<TailRange[]> {
    return this.#call('listTailParts', `${timeline}/${segment}`, () => this.partsOf(timeline, segment))
  }

  async readTailPart(part: TailRange): Promise<Buffer> {
    return this.#call('readTailPart', keyOf(part), () => {
      const found = this.tails.get(keyOf(part))
      if (found === undefined) throw new Error('no such part')
      return found.raw
    })
  }

  async deleteTail(timeline: number, segment: bigint): Promise<void> {
    return this.#call('deleteTail', `${timeline}/${segment}`, () => {
      for (const part of this.partsOf(timeline, segment)) this.tails.delete(keyOf(part))
    })
  }

  async deleteTailParts(parts: readonly TailRange[]): Promise<void> {
    return this.#call('deleteTailParts', parts.map(keyOf).join(' '), () => {
      for (const part of parts) this.tails.delete(keyOf(part))
    })
  }

  partsOf(timeline: number, segment: bigint): TailRange[] {
    return [...this.tails.values()]
      .map(({ part }) => part)
      .filter((part) => part.timeline === timeline && part.segment === segment)
      .sort((a, b) => a.from - b.from || a.to - b.to)
  }

  /** The bytes of an open segment as a restore would join them. */
  joinedTail(timeline: number, segment: bigint): Buffer {
    let joined = Buffer.alloc(0)
    for (const part of this.partsOf(timeline, segment)) {
      if (part.from > joined.length || part.to <= joined.length) continue
      const { raw } = this.tails.get(keyOf(part))!
      joined = Buffer.concat([joined, raw.subarray(joined.length - part.from)])
    }
    return joined
  }

  async #call<T>(operation: Operation, what: string, effect: () => T): Promise<T> {
    this.calls.set(operation, (this.calls.get(operation) ?? 0) + 1)
    const fault = await this.onCall(operation, what)
    if (this.down || fault === 'fail') throw unreachable(operation)
    const result = effect()
    this.log.push(`${operation} ${what}`)
    if (fault === 'lose-response') throw unreachable(operation)
    return result
  }
}

export function keyOf({ timeline, segment, from, to }: TailRange): string {
  return `${timeline}/${segment}/${from}-${to}`
}

function unreachable(operation: string): WalshipError {
  return new WalshipError(`could not ${operation}: no answer`, { code: 'STORE_UNREACHABLE', retryable: true })
}

function conflict(name: string): WalshipError {
  return new WalshipError(`"${name}" is there with different content`, { code: 'ARCHIVE_CONFLICT' })
}
