/**
 * Speed of the segment writer alone, without a server: catching up in each format, and small
 * synchronous batches. Usage: tsx bench/segment-writer.ts [directory] [MB to catch up]
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type CompressionSpec, parseCompression } from '../src/codec/index.js'
import { WalWriter } from '../src/segments/index.js'
import { type Lsn, lsnAdd } from '../src/wal/index.js'

const SEGMENT_SIZE = 16 * 1024 * 1024
const START = BigInt(SEGMENT_SIZE) as Lsn
const MESSAGE_SIZE = 128 * 1024

const parent = process.argv[2] ?? tmpdir()
const catchUpMb = Number(process.argv[3] ?? 1024)

/** Repeated parts, counters and some noise, about as compressible as pgbench's WAL. */
function walLike(byteCount: number): Buffer {
  const data = Buffer.alloc(byteCount)
  let state = 12_345
  for (let at = 0; at + 64 <= byteCount; at += 64) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    data.writeUInt32LE(state, at)
    data.writeUInt32LE(at, at + 8)
    data.write(`row ${state % 1000} of pgbench`, at + 16)
  }
  return data
}

async function withWriter(
  compression: CompressionSpec,
  synchronous: boolean,
  run: (writer: WalWriter) => Promise<void>,
): Promise<void> {
  const directory = mkdtempSync(join(parent, 'walship-bench-'))
  try {
    const writer = await WalWriter.open({
      directory,
      segmentSize: SEGMENT_SIZE,
      timeline: 1,
      start: START,
      compression,
      fileMode: 0o600,
      durable: true,
      synchronous,
      onFinished: () => {},
    })
    await run(writer)
    await writer.close()
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

async function catchUp(method: string, megabytes: number): Promise<void> {
  const data = walLike(2 * 1024 * 1024)
  const batch: Buffer[] = []
  for (let at = 0; at < data.length; at += MESSAGE_SIZE) batch.push(data.subarray(at, at + MESSAGE_SIZE))
  await withWriter(parseCompression(method), false, async (writer) => {
    const cpu = process.cpuUsage()
    const start = performance.now()
    for (let done = 0; done < megabytes; done += 2) await writer.write(writer.written, batch, false)
    await writer.sync()
    const seconds = (performance.now() - start) / 1000
    const used = process.cpuUsage(cpu)
    const cpuSeconds = (used.user + used.system) / 1e6
    console.log(
      `catch-up ${method}: ${(megabytes / seconds).toFixed(0)} MB/s, ${((cpuSeconds / megabytes) * 1024).toFixed(2)} CPU s/GB`,
    )
  })
}

async function synchronous(method: string, batchSize: number, count: number): Promise<void> {
  const data = walLike(batchSize)
  await withWriter(parseCompression(method), true, async (writer) => {
    const waits: number[] = []
    const switches: number[] = []
    const start = performance.now()
    for (let i = 0; i < count; i++) {
      const before = performance.now()
      const lsn = writer.written
      await writer.write(lsn, [data], true)
      const wait = performance.now() - before
      waits.push(wait)
      if (lsn / BigInt(SEGMENT_SIZE) !== lsnAdd(lsn, batchSize) / BigInt(SEGMENT_SIZE)) switches.push(wait)
    }
    const seconds = (performance.now() - start) / 1000
    waits.sort((a, b) => a - b)
    const at = (share: number) => waits[Math.floor((waits.length - 1) * share)]!.toFixed(2)
    console.log(
      `synchronous ${method}, ${batchSize} bytes: ${(count / seconds).toFixed(0)}/s, ms p50 ${at(0.5)} p99 ${at(0.99)} worst ${at(1)}; at segment switches ${switches.map((ms) => ms.toFixed(2)).join(' ')}`,
    )
  })
}

for (const method of ['none', 'lz4']) await catchUp(method, catchUpMb)
await catchUp('gzip', catchUpMb / 8)
await synchronous('none', 1024, 4000)
await synchronous('none', 8192, 8000)
await synchronous('none', 65_536, 1500)
await synchronous('lz4', 8192, 3000)
