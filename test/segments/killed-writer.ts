/**
 * A receiver's disk half as a process of its own, to be killed at any moment: takes up where the
 * directory ends, writes known bytes and tells its parent after each call what is flushed.
 * Arguments: directory, compression, segment size.
 */
import { parseCompression } from '../../src/codec/index.js'
import { findStreamingStart, WalWriter } from '../../src/segments/index.js'
import { type Lsn, lsnAdd } from '../../src/wal/index.js'
import { walByteAt } from './known-wal.js'

const [directory, method, size] = process.argv.slice(2) as [string, string, string]
const segmentSize = Number(size)
const { start } = await findStreamingStart(directory, segmentSize)
const writer = await WalWriter.open({
  directory,
  segmentSize,
  timeline: 1,
  start: start?.lsn ?? (BigInt(segmentSize) as Lsn),
  compression: parseCompression(method),
  fileMode: 0o600,
  durable: true,
  synchronous: true,
  onFinished: () => {},
})
for (;;) {
  const length = 1 + Math.floor(200_000 ** Math.random())
  await writer.write(writer.written, [walByteAt(writer.written, length)], Math.random() < 0.8)
  process.send?.(String(writer.flushed))
  if (writer.written > lsnAdd(writer.flushed, 10 * segmentSize)) throw new Error('flushed does not move')
}
