import { uint16, uint32 } from './page-check.js'
import { RECORD_HEADER_SIZE } from './record-format.js'

/** A block that a record touches. */
export interface BlockReference {
  /** Its number within the record, 0 to 32. */
  readonly id: number
  readonly tablespace: number
  /** 0 for shared relations. */
  readonly database: number
  /** The number in the file's name, which changes when a table is rewritten. */
  readonly relfilenode: number
  /** 0 main, 1 free space map, 2 visibility map, 3 init */
  readonly fork: number
  readonly block: number
  /** The replay makes the page anew. */
  readonly willInit: boolean
  /** Bytes of what is recorded about the block, besides an image. */
  readonly dataLength: number
  readonly image: FullPageImage | null
}

/** A copy of the whole page. */
export interface FullPageImage {
  /** bytes in the record */
  readonly length: number
  /** Unused middle of the page that was left out. */
  readonly holeOffset: number
  readonly compression: 'none' | 'pglz' | 'lz4' | 'zstd'
  /** False when it is there for wal_consistency_checking only, and replay does not use it. */
  readonly isApplied: boolean
}

export interface RecordBody {
  readonly blocks: readonly BlockReference[]
  readonly mainData: Buffer
  readonly origin: number
  readonly topLevelXid: number
}

const MAX_BLOCK_ID = 32
const TOP_LEVEL_XID = 252
const ORIGIN = 253
const MAIN_DATA_LONG = 254
const MAIN_DATA_SHORT = 255

const FORK_MASK = 0x0f
const HAS_IMAGE = 0x10
const WILL_INIT = 0x40
const SAME_RELATION = 0x80
const IMAGE_HAS_HOLE = 0x01

/** From 15 on there is more than one way to compress an image, and the flags moved. */
const FIRST_MAGIC_WITH_METHODS = 0xd110

/**
 * Reads what follows a record's header: the headers of its blocks, and its main data.
 * PostgreSQL: src/backend/access/transam/xlogreader.c (DecodeXLogRecord).
 *
 * @param bytes the whole record
 * @param magic of its page
 * @throws RangeError when it makes no sense
 */
export function parseRecordBody(bytes: Buffer, magic: number): RecordBody {
  const blocks: BlockReference[] = []
  let origin = 0
  let topLevelXid = 0
  let mainLength = 0
  let dataLength = 0
  let relation: { tablespace: number; database: number; relfilenode: number } | null = null
  let at = RECORD_HEADER_SIZE
  const take = (byteCount: number) => {
    at += byteCount
    if (at > bytes.length) throw new RangeError('the headers in a WAL record are cut short')
    return at - byteCount
  }
  while (bytes.length - at > dataLength) {
    const id = bytes[take(1)]!
    if (id === MAIN_DATA_SHORT || id === MAIN_DATA_LONG) {
      mainLength = id === MAIN_DATA_SHORT ? bytes[take(1)]! : uint32(bytes, take(4))
      dataLength += mainLength
      break
    }
    if (id === ORIGIN) origin = uint16(bytes, take(2))
    else if (id === TOP_LEVEL_XID) topLevelXid = uint32(bytes, take(4))
    else if (id > MAX_BLOCK_ID) throw new RangeError(`a WAL record has block number ${id}`)
    else {
      const flags = bytes[take(1)]!
      const blockData = uint16(bytes, take(2))
      const image = (flags & HAS_IMAGE) === 0 ? null : imageAt(bytes, take, magic)
      if ((flags & SAME_RELATION) === 0) {
        const from = take(12)
        relation = {
          tablespace: uint32(bytes, from),
          database: uint32(bytes, from + 4),
          relfilenode: uint32(bytes, from + 8),
        }
      }
      if (relation === null) throw new RangeError('a WAL record names no relation')
      dataLength += blockData + (image?.length ?? 0)
      blocks.push({
        id,
        ...relation,
        fork: flags & FORK_MASK,
        block: uint32(bytes, take(4)),
        willInit: (flags & WILL_INIT) !== 0,
        dataLength: blockData,
        image,
      })
    }
  }
  if (bytes.length - at !== dataLength) throw new RangeError('the parts of a WAL record do not add up')
  return { blocks, mainData: bytes.subarray(bytes.length - mainLength), origin, topLevelXid }
}

function imageAt(bytes: Buffer, take: (byteCount: number) => number, magic: number): FullPageImage {
  const from = take(5)
  const info = bytes[from + 4]!
  const compression = imageCompression(info, magic)
  if (compression !== 'none' && (info & IMAGE_HAS_HOLE) !== 0) take(2)
  return {
    length: uint16(bytes, from),
    holeOffset: uint16(bytes, from + 2),
    compression,
    isApplied: (info & (magic >= FIRST_MAGIC_WITH_METHODS ? 0x02 : 0x04)) !== 0,
  }
}

function imageCompression(info: number, magic: number): FullPageImage['compression'] {
  if (magic < FIRST_MAGIC_WITH_METHODS) return (info & 0x02) === 0 ? 'none' : 'pglz'
  if ((info & 0x04) !== 0) return 'pglz'
  if ((info & 0x08) !== 0) return 'lz4'
  return (info & 0x10) === 0 ? 'none' : 'zstd'
}
