import { expect, it } from 'vitest'
import { RecordReader } from '../../src/records/index.js'
import type { Lsn } from '../../src/wal/index.js'
import { PAGE_SIZE, SEGMENT_SIZE, WalBytes } from './wal-bytes.js'

const START = BigInt(SEGMENT_SIZE * 3) as Lsn

it('what came of a record that a bad page cut off is in no later record', () => {
  const wal = new WalBytes(START)
  wal.record({ bodyLength: 12_000 })
  wal.record({ bodyLength: 9_000 })
  while (Number(wal.lsn % BigInt(PAGE_SIZE)) < PAGE_SIZE - 200) wal.record({ bodyLength: 64 })
  const later = wal.record({ bodyLength: 5_000 })
  wal.record()
  const bytes = Buffer.from(wal.bytes)
  // The page on which the first record goes on is of another server, it says.
  bytes.writeUInt16LE(0x1234, PAGE_SIZE)
  for (const pieceSize of [bytes.length, 1, 100, PAGE_SIZE + 1]) {
    const lengths = new Map<bigint, number>()
    const reader = new RecordReader({ segmentSize: SEGMENT_SIZE, timeline: 1 }, (record) =>
      lengths.set(record.lsn, record.bytes.length),
    )
    for (let at = 0; at < bytes.length; at += pieceSize)
      reader.push((START + BigInt(at)) as Lsn, bytes.subarray(at, at + pieceSize))
    expect(lengths.get(later)).toBe(24 + 5_000)
  }
})
