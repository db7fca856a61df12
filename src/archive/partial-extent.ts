import { type Lsn, lsnAdd, parseLongPageHeader } from '../wal/index.js'

const SHORT_PAGE_HEADER_SIZE = 20

/**
 * How many bytes of a partial file are WAL for sure, when nobody is there to tell how far it was
 * written: the receiver stopped, or the machine did.
 *
 * Counted are the pages whose header names their own place, from the first on. A page that does not
 * is one that never reached the disk, or what the file held in an earlier life; nothing behind it
 * counts. Of the last page the zeros at its end do not count, and the whole page does not if bytes
 * other than zeros follow: then the file had an earlier life, and there is no telling where in the
 * page the new bytes end.
 *
 * @param content the file from its start
 * @param start position of its first byte
 * @returns bytes; 0 for what is no WAL
 */
export function partialExtent(content: Buffer, start: Lsn): number {
  const first = parseLongPageHeader(content)
  if (first === null || first.pageAddress !== start) return 0
  const littleEndian = content.readUInt16LE(0) === first.magic
  const { walBlockSize } = first
  let valid = 0
  while (valid + SHORT_PAGE_HEADER_SIZE <= content.length) {
    const page = content.subarray(valid)
    const magic = littleEndian ? page.readUInt16LE(0) : page.readUInt16BE(0)
    const address = littleEndian ? page.readBigUInt64LE(8) : page.readBigUInt64BE(8)
    if (magic !== first.magic || address !== lsnAdd(start, valid)) break
    valid += walBlockSize
  }
  const lastPage = Math.max(0, valid - walBlockSize)
  let end = Math.min(valid, content.length)
  const sure = end === content.length ? content[end - 1] === 0 : isZero(content, end)
  if (!sure) return lastPage
  while (end > lastPage && content[end - 1] === 0) end -= 1
  return end
}

function isZero(content: Buffer, from: number): boolean {
  const zeros = Buffer.alloc(64 * 1024)
  for (let at = from; at < content.length; at += zeros.length) {
    const piece = content.subarray(at, at + zeros.length)
    if (!piece.equals(zeros.subarray(0, piece.length))) return false
  }
  return true
}
