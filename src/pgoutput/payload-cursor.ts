import { formatLsn, INVALID_LSN, type Lsn } from '../wal/index.js'
import { PgoutputError } from './errors.js'

const NO_BYTES = Buffer.alloc(0)

/**
 * Reads the fields of one payload from front to back. Every read is checked against the end of
 * the payload first; numbers are big-endian, text ends with a NUL byte.
 */
export class PayloadCursor {
  bytes: Buffer = NO_BYTES
  offset = 0
  /** Position of the message, for errors. */
  lsn: Lsn = INVALID_LSN

  /** Goes to the start of the next payload. One cursor serves a whole stream. */
  reset(bytes: Buffer, lsn: Lsn): void {
    this.bytes = bytes
    this.offset = 0
    this.lsn = lsn
  }

  get remaining(): number {
    return this.bytes.length - this.offset
  }

  uint8(): number {
    this.#need(1)
    return this.bytes[this.offset++]!
  }

  uint16(): number {
    this.#need(2)
    const { bytes, offset } = this
    this.offset = offset + 2
    return (bytes[offset]! << 8) | bytes[offset + 1]!
  }

  int32(): number {
    this.#need(4)
    const { bytes, offset } = this
    this.offset = offset + 4
    return (
      (bytes[offset]! << 24) | (bytes[offset + 1]! << 16) | (bytes[offset + 2]! << 8) | bytes[offset + 3]!
    )
  }

  uint32(): number {
    return this.int32() >>> 0
  }

  /** Microseconds since 2000-01-01 UTC. */
  time(): bigint {
    this.#need(8)
    const value = this.bytes.readBigInt64BE(this.offset)
    this.offset += 8
    return value
  }

  position(): Lsn {
    this.#need(8)
    const value = this.bytes.readBigUInt64BE(this.offset)
    this.offset += 8
    return value as Lsn
  }

  text(): string {
    const end = this.bytes.indexOf(0, this.offset)
    if (end < 0) this.fail('text without its end')
    const text = this.bytes.toString('utf8', this.offset, end)
    this.offset = end + 1
    return text
  }

  /** A view of the next bytes. */
  view(byteCount: number): Buffer {
    this.#need(byteCount)
    const view = this.bytes.subarray(this.offset, this.offset + byteCount)
    this.offset += byteCount
    return view
  }

  /** @throws PgoutputError when anything is left: a layout other than the one known here */
  end(): void {
    if (this.remaining > 0) this.fail(`${this.remaining} bytes too many`)
  }

  fail(problem: string, offset = this.offset): never {
    const { bytes, lsn } = this
    const type = bytes.length === 0 ? 'without a type' : `"${String.fromCharCode(bytes[0]!)}"`
    throw new PgoutputError(
      `could not decode pgoutput message ${type} at ${formatLsn(lsn)}: ${problem} at byte ${offset}`,
      { offset, lsn },
    )
  }

  #need(byteCount: number): void {
    if (byteCount < 0) this.fail(`negative length ${byteCount}`)
    if (byteCount > this.remaining) this.fail(`${byteCount} bytes wanted, ${this.remaining} left,`)
  }
}
