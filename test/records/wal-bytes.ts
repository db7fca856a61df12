/** WAL as a server writes it, made by hand: for what real servers do not do on demand. */
import { extendCrc32c } from '../../src/records/index.js'
import { type Lsn, segmentFloor } from '../../src/wal/index.js'

export const SEGMENT_SIZE = 1024 * 1024
export const PAGE_SIZE = 8192
export const SYSTEM_IDENTIFIER = 7_234_567_890_123_456_789n
export const MAGIC = 0xd118

export interface RecordSpec {
  /** Bytes behind the header; by default filled with the record's number. */
  readonly body?: Buffer
  readonly bodyLength?: number
  readonly resourceManager?: number
  readonly info?: number
  readonly xid?: number
}

/** Writes records one after the other, with pages around them. */
export class WalBytes {
  readonly start: Lsn
  timeline: number
  readonly #chunks: Buffer[] = []
  #length = 0
  #prev: bigint
  #count = 0

  /** @param start of a segment */
  constructor(start: Lsn, timeline = 1, prev = 0n) {
    this.start = start
    this.timeline = timeline
    this.#prev = prev
  }

  get lsn(): Lsn {
    return (this.start + BigInt(this.#length)) as Lsn
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#chunks)
  }

  /** Where the last record began. */
  get prev(): Lsn {
    return this.#prev as Lsn
  }

  /** Appends a record and returns where it begins. @param cutAt takes only so many of its bytes: a crash */
  record(spec: RecordSpec = {}, cutAt?: number): Lsn {
    const bytes = recordBytes({ bodyLength: 40, ...spec }, this.#prev, ++this.#count)
    if (this.#inPage === 0) this.page(0, 0)
    const lsn = this.lsn
    const stop = cutAt ?? bytes.length
    for (let at = 0; ; this.page(0x0001, bytes.length - at)) {
      const end = Math.min(stop, at + PAGE_SIZE - this.#inPage)
      this.#append(bytes.subarray(at, end))
      at = end
      if (at === stop) break
    }
    if (cutAt !== undefined) return lsn
    this.#prev = lsn
    this.#append(Buffer.alloc(-this.#length & 7))
    return lsn
  }

  page(flags: number, remaining: number): void {
    const isFirst = this.lsn % BigInt(SEGMENT_SIZE) === 0n
    const header = Buffer.alloc(isFirst ? 40 : 24)
    header.writeUInt16LE(MAGIC, 0)
    header.writeUInt16LE(flags | (isFirst ? 0x0002 : 0), 2)
    header.writeUInt32LE(this.timeline, 4)
    header.writeBigUInt64LE(this.lsn, 8)
    header.writeUInt32LE(remaining, 16)
    if (isFirst) {
      header.writeBigUInt64LE(SYSTEM_IDENTIFIER, 24)
      header.writeUInt32LE(SEGMENT_SIZE, 32)
      header.writeUInt32LE(PAGE_SIZE, 36)
    }
    this.#append(header)
  }

  /** Zeros, or other bytes, up to the next page or segment. */
  fill(upTo: 'page' | 'segment', byte = 0): void {
    const unit = upTo === 'page' ? PAGE_SIZE : SEGMENT_SIZE
    const used = Number((this.lsn - segmentFloor(this.lsn, SEGMENT_SIZE)) % BigInt(unit))
    this.#append(Buffer.alloc((unit - used) % unit, byte))
  }

  get #inPage(): number {
    return Number(this.lsn % BigInt(PAGE_SIZE))
  }

  #append(bytes: Buffer): void {
    this.#chunks.push(Buffer.from(bytes))
    this.#length += bytes.length
  }
}

function recordBytes(spec: RecordSpec, prev: bigint, number: number): Buffer {
  const body = spec.body ?? Buffer.alloc(spec.bodyLength ?? 0, (number % 255) + 1)
  const bytes = Buffer.alloc(24 + body.length)
  bytes.writeUInt32LE(bytes.length, 0)
  bytes.writeUInt32LE(spec.xid ?? 0, 4)
  bytes.writeBigUInt64LE(prev, 8)
  bytes.writeUInt8(spec.info ?? 0, 16)
  bytes.writeUInt8(spec.resourceManager ?? 10, 17)
  body.copy(bytes, 24)
  const crc = extendCrc32c(extendCrc32c(0, body, 0, body.length), bytes, 0, 20)
  bytes.writeUInt32LE(crc >>> 0, 20)
  return bytes
}
