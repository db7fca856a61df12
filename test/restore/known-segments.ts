/** Segments that look like a server's, and an archive of them in memory that can be made to fail. */
import type { RestoreArchive } from '../../src/restore/index.js'
import { parseSegmentFileName } from '../../src/wal/index.js'
import { longPageHeader } from '../wal/page-header-bytes.js'

export const SEGMENT_SIZE = 1024 * 1024
export const SYSTEM_IDENTIFIER = 7_300_000_000_000_000_001n

/** A whole segment under this name: a true page header, and bytes that no other segment has. */
export function segmentBytes(name: string, systemIdentifier = SYSTEM_IDENTIFIER): Buffer {
  const { timeline, segment } = parseSegmentFileName(name, SEGMENT_SIZE)!
  const pageAddress = segment * BigInt(SEGMENT_SIZE)
  const header = { pageAddress, systemIdentifier, segmentSize: SEGMENT_SIZE, timeline }
  const bytes = Buffer.alloc(SEGMENT_SIZE, name)
  longPageHeader(header).copy(bytes)
  return bytes
}

/** The name of the n-th segment of a timeline. */
export function segmentNamed(number: number, timeline = 1): string {
  const hex = (value: number) => value.toString(16).toUpperCase().padStart(8, '0')
  return `${hex(timeline)}${hex(0)}${hex(number)}`
}

type TailPart = Awaited<ReturnType<RestoreArchive['listTailParts']>>[number]

export class KnownArchive implements RestoreArchive {
  readonly name = 'memory:'
  identity: RestoreArchive['identity'] = {
    systemIdentifier: String(SYSTEM_IDENTIFIER),
    segmentSize: SEGMENT_SIZE,
    layoutVersion: 1,
  }
  readonly segments = new Map<string, Buffer>()
  readonly histories = new Map<number, Buffer>()
  readonly tail = new Map<string, Buffer>()
  /** Every question, such as `segment 00...01`, `part 0-100`. */
  readonly asked: string[] = []
  /** Called before each answer; may throw, wait, or change what is here. */
  before: (question: string) => void | Promise<void> = () => {}

  async getSegment(name: string): Promise<Buffer | null> {
    await this.#ask(`segment ${name}`)
    return this.segments.get(name) ?? null
  }

  async getHistory(timeline: number): Promise<Buffer | null> {
    await this.#ask(`history ${timeline}`)
    return this.histories.get(timeline) ?? null
  }

  async listTailParts(timeline: number, segment: bigint): Promise<TailPart[]> {
    await this.#ask('list')
    return [...this.tail.keys()].map((key) => {
      const [from, to] = key.split('-').map(Number)
      return { timeline, segment, from: from!, to: to! } as TailPart
    })
  }

  async readTailPart(part: TailPart): Promise<Buffer> {
    const key = `${part.from}-${part.to}`
    await this.#ask(`part ${key}`)
    const bytes = this.tail.get(key)
    if (bytes === undefined) throw new Error(`there is no part ${key}`)
    return bytes
  }

  putPart(whole: Buffer, from: number, to: number): void {
    this.tail.set(`${from}-${to}`, whole.subarray(from, to))
  }

  async #ask(question: string): Promise<void> {
    this.asked.push(question)
    await this.before(question)
  }
}
