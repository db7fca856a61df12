import { mkdtemp, open, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { LiveSegment } from '../../src/archive/index.js'
import {
  historyFileName,
  type Lsn,
  lsnAdd,
  segmentFileName,
  segmentFloor,
  segmentNumber,
  segmentStart,
} from '../../src/wal/index.js'

export const MB = 1024 * 1024
export const SEGMENT_SIZE = MB

const PAGE = 8192
const pages = new Map<string, Buffer>()

/** Start of a segment of the test's size. */
export function at(segment: number, offset = 0): Lsn {
  return lsnAdd(segmentStart(BigInt(segment), SEGMENT_SIZE), offset)
}

export function nameAt(segment: number, timeline = 1): string {
  return segmentFileName(timeline, BigInt(segment), SEGMENT_SIZE)
}

/** What "the server" has in a segment: pages with their headers, and bytes that depend on all of position and timeline. */
export function walOf(segment: number, timeline = 1): Buffer {
  const key = `${timeline}/${segment}`
  const found = pages.get(key)
  if (found !== undefined) return found
  const wal = Buffer.alloc(SEGMENT_SIZE)
  const start = at(segment)
  for (let offset = 0; offset < SEGMENT_SIZE; offset += PAGE) {
    wal.fill(((segment * 7 + timeline * 3 + offset / PAGE) % 255) + 1, offset, offset + PAGE)
    wal.writeUInt16LE(0xd110, offset)
    wal.writeUInt16LE(offset === 0 ? 2 : 0, offset + 2)
    wal.writeUInt32LE(timeline, offset + 4)
    wal.writeBigUInt64LE(start + BigInt(offset), offset + 8)
    wal.writeUInt32LE(0, offset + 16)
  }
  wal.writeBigUInt64LE(7_000_000_000_000_000_001n, 24)
  wal.writeUInt32LE(SEGMENT_SIZE, 32)
  wal.writeUInt32LE(PAGE, 36)
  pages.set(key, wal)
  return wal
}

/** Writes files as the receiver does, without a server. */
export class FakeReceiver {
  readonly directory: string
  timeline = 1
  #written: Lsn | null = null
  #writer = 0
  #streamStart = at(0)

  static async create(): Promise<FakeReceiver> {
    return new FakeReceiver(await mkdtemp(join(tmpdir(), 'walship-archive-')))
  }

  constructor(directory: string) {
    this.directory = directory
  }

  /** A stream begins at a segment start. */
  start(segment: number, timeline = this.timeline): void {
    this.timeline = timeline
    this.#written = at(segment)
    this.#streamStart = at(segment)
    this.#writer += 1
  }

  stop(): void {
    this.#written = null
  }

  get written(): Lsn {
    if (this.#written === null) throw new Error('not streaming')
    return this.#written
  }

  live(): LiveSegment | null {
    if (this.#written === null) return null
    const segmentStart = segmentFloor(this.#written, SEGMENT_SIZE)
    const name = segmentFileName(this.timeline, segmentNumber(segmentStart, SEGMENT_SIZE), SEGMENT_SIZE)
    const { timeline } = this
    return {
      timeline,
      segmentStart,
      partialName: `${name}.partial`,
      written: this.#written,
      writer: this.#writer,
      streamStart: this.#streamStart,
    }
  }

  /** Writes the WAL up to `end`; returns the segments that were finished by it. */
  async write(end: Lsn): Promise<string[]> {
    const finished: string[] = []
    while (this.written < end) {
      const start = segmentFloor(this.written, SEGMENT_SIZE)
      const segment = Number(segmentNumber(start, SEGMENT_SIZE))
      const from = Number(this.written - start)
      const to = end - start > BigInt(SEGMENT_SIZE) ? SEGMENT_SIZE : Number(end - start)
      const name = nameAt(segment, this.timeline)
      const file = await open(join(this.directory, `${name}.partial`), 'a+').then(async (made) => {
        await made.close()
        return open(join(this.directory, `${name}.partial`), 'r+')
      })
      await file.truncate(SEGMENT_SIZE)
      await file.write(walOf(segment, this.timeline), from, to - from, from)
      await file.close()
      this.#written = lsnAdd(start, to)
      if (to < SEGMENT_SIZE) continue
      await rename(join(this.directory, `${name}.partial`), join(this.directory, name))
      finished.push(name)
    }
    return finished
  }

  /** Puts finished segments into the directory, as an earlier run would have. */
  async place(segments: readonly number[], timeline = 1): Promise<void> {
    for (const segment of segments)
      await writeFile(join(this.directory, nameAt(segment, timeline)), walOf(segment, timeline))
  }

  /** A partial of an earlier run that holds so many bytes. */
  async placePartial(segment: number, size: number, timeline = 1): Promise<void> {
    const content = Buffer.alloc(SEGMENT_SIZE)
    walOf(segment, timeline).copy(content, 0, 0, size)
    await writeFile(join(this.directory, `${nameAt(segment, timeline)}.partial`), content)
  }

  async placeHistory(timeline: number, content: string): Promise<void> {
    await writeFile(join(this.directory, historyFileName(timeline)), content)
  }

  async names(): Promise<string[]> {
    return (await readdir(this.directory)).filter((name) => !name.startsWith('.')).sort()
  }

  async remove(): Promise<void> {
    await rm(this.directory, { recursive: true, force: true })
  }
}
