import type { Lsn } from '../wal/index.js'
import { type BlockReference, parseRecordBody, type RecordBody } from './block-references.js'
import { uint32, uint64 } from './page-check.js'
import { RECORD_CRC_OFFSET, RESOURCE_MANAGER_INFO_MASK, resourceManagerName } from './record-format.js'

/**
 * One WAL record. The header's fields are read from its bytes; what follows the header is parsed when one of
 * `blocks`, `mainData`, `origin` or `topLevelXid` is first asked for.
 * PostgreSQL: src/include/access/xlogrecord.h.
 */
export class WalRecord {
  /** The whole record, page headers taken out. Often a view of memory that is not its own. */
  readonly bytes: Buffer
  /** Where the next record may begin: the end with padding; for a segment switch the segment's end. */
  readonly endLsn: Lsn
  /** Of the page it ends on: the server's version. */
  readonly magic: number
  readonly #high: number
  readonly #low: number
  #body: RecordBody | undefined

  /** @param magic of the page the record ends on, which says how the body is to be read */
  constructor(high: number, low: number, endLsn: Lsn, bytes: Buffer, magic: number) {
    this.#high = high
    this.#low = low
    this.endLsn = endLsn
    this.bytes = bytes
    this.magic = magic
  }

  /** Where it begins. */
  get lsn(): Lsn {
    return ((BigInt(this.#high) << 32n) | BigInt(this.#low)) as Lsn
  }

  get totalLength(): number {
    return this.bytes.length
  }

  /** Transaction, 0 for none. */
  get xid(): number {
    return uint32(this.bytes, 4)
  }

  /** Where the record before it begins; 0 for the first one of a cluster. */
  get prev(): Lsn {
    return uint64(this.bytes, 8) as Lsn
  }

  /** All eight bits of `xl_info`. */
  get info(): number {
    return this.bytes[16]!
  }

  /** The kind of record, within its resource manager: the upper half of `info`. */
  get operation(): number {
    return this.bytes[16]! & RESOURCE_MANAGER_INFO_MASK
  }

  get resourceManagerId(): number {
    return this.bytes[17]!
  }

  /** As pg_waldump prints it: `Heap`, `Transaction`, `custom128`. */
  get resourceManager(): string {
    return resourceManagerName(this.bytes[17]!)
  }

  /** As stored, and already found right. */
  get crc(): number {
    return uint32(this.bytes, RECORD_CRC_OFFSET)
  }

  /**
   * The blocks it touches, in the order of their ids.
   *
   * @throws RangeError when the body makes no sense, which a good checksum all but excludes
   */
  get blocks(): readonly BlockReference[] {
    return this.#parsed.blocks
  }

  /** What the resource manager recorded besides blocks. A view of `bytes`. */
  get mainData(): Buffer {
    return this.#parsed.mainData
  }

  /** Replication origin, 0 for none. */
  get origin(): number {
    return this.#parsed.origin
  }

  /** The transaction that this subtransaction belongs to, where the record says so (from 14 on); 0 for none. */
  get topLevelXid(): number {
    return this.#parsed.topLevelXid
  }

  get #parsed(): RecordBody {
    this.#body ??= parseRecordBody(this.bytes, this.magic)
    return this.#body
  }
}
