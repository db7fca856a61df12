/** A long page header as a server writes it, for tests. */
export function longPageHeader(header: {
  pageAddress: bigint
  systemIdentifier: bigint
  segmentSize: number
  timeline?: number
  walBlockSize?: number
  littleEndian?: boolean
}): Buffer {
  const bytes = Buffer.alloc(40)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const littleEndian = header.littleEndian ?? true
  view.setUint16(0, 0xd110, littleEndian)
  view.setUint16(2, 0x0007, littleEndian)
  view.setUint32(4, header.timeline ?? 1, littleEndian)
  view.setBigUint64(8, header.pageAddress, littleEndian)
  view.setUint32(16, 123, littleEndian)
  view.setBigUint64(24, header.systemIdentifier, littleEndian)
  view.setUint32(32, header.segmentSize, littleEndian)
  view.setUint32(36, header.walBlockSize ?? 8192, littleEndian)
  return bytes
}
