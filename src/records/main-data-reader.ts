import { uint32, uint64 } from './page-check.js'
import type { WalRecord } from './wal-record.js'

/** A relation's file, as WAL names it. */
export interface RelationFile {
  readonly tablespace: number
  /** 0 for shared relations. */
  readonly database: number
  readonly relfilenode: number
}

/**
 * Walks through a record's main data field by field. Whatever lies beyond its end is a RangeError, so that a record of
 * a format that is not known is never half understood.
 */
export class MainDataReader {
  readonly #bytes: Buffer
  #at = 0

  constructor(record: WalRecord) {
    this.#bytes = record.mainData
  }

  uint8(): number {
    return this.#bytes[this.#take(1)]!
  }

  uint16(): number {
    return this.#bytes.readUInt16LE(this.#take(2))
  }

  uint32(): number {
    return uint32(this.#bytes, this.#take(4))
  }

  uint64(): bigint {
    return uint64(this.#bytes, this.#take(8))
  }

  /** A TimestampTz: microseconds since 2000-01-01 UTC. */
  time(): bigint {
    return this.#bytes.readBigInt64LE(this.#take(8))
  }

  relationFile(): RelationFile {
    return { tablespace: this.uint32(), database: this.uint32(), relfilenode: this.uint32() }
  }

  /** Text that ends with a zero byte; that one is taken too. */
  text(): string {
    const from = this.#at
    const end = this.#bytes.indexOf(0, from)
    if (end === -1) throw new RangeError('a text in a WAL record has no end')
    this.#at = end + 1
    return this.#bytes.toString('utf8', from, end)
  }

  /**
   * @param count as the record has it; one for which there are not bytes enough makes no room, and is a RangeError
   * @param size bytes of each
   */
  list<Item>(count: number, size: number, read: () => Item): Item[] {
    if (count * size > this.#bytes.length - this.#at)
      throw new RangeError('a list in a WAL record is longer than the record')
    return Array.from({ length: count }, read)
  }

  skip(byteCount: number): void {
    this.#take(byteCount)
  }

  /** On to the next multiple of 8. */
  align(): void {
    this.#at = Math.ceil(this.#at / 8) * 8
  }

  #take(byteCount: number): number {
    const from = this.#at
    if (from + byteCount > this.#bytes.length)
      throw new RangeError('the main data of a WAL record are cut short')
    this.#at = from + byteCount
    return from
  }
}
