import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach } from 'vitest'
import { type CompressionAlgorithm, decompress, NO_COMPRESSION } from '../../src/codec/index.js'
import { WalWriter, type WalWriterOptions } from '../../src/segments/index.js'
import { type Lsn, lsnAdd } from '../../src/wal/index.js'
import { source } from '../codec/sample-data.js'

export const MB = 1024 * 1024

const directories: string[] = []

afterEach(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true, force: true })
})

/** A fresh directory that is gone after the test. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'walship-segments-'))
  directories.push(directory)
  return directory
}

export function namesIn(directory: string): string[] {
  return readdirSync(directory).sort()
}

/** `000000010000000000000003` for 3, at segment sizes of which 4 GB hold more than that. */
export function segment(number: number, timeline = 1): string {
  const hex = (value: number) => value.toString(16).toUpperCase().padStart(8, '0')
  return `${hex(timeline)}00000000${hex(number)}`
}

export function lsnOf(number: number, offset = 0, segmentSize = MB): Lsn {
  return lsnAdd((BigInt(number) * BigInt(segmentSize)) as Lsn, offset)
}

export function openWriter(directory: string, options: Partial<WalWriterOptions> = {}): Promise<WalWriter> {
  return WalWriter.open({
    directory,
    segmentSize: MB,
    timeline: 1,
    start: lsnOf(1, 0, options.segmentSize ?? MB),
    compression: NO_COMPRESSION,
    fileMode: 0o600,
    durable: true,
    synchronous: false,
    onFinished: () => {},
    ...options,
  })
}

/** The content of a WAL file, decompressed by its name. */
export async function contentOf(directory: string, name: string): Promise<Buffer> {
  const algorithm: CompressionAlgorithm = name.includes('.gz')
    ? 'gzip'
    : name.includes('.lz4')
      ? 'lz4'
      : 'none'
  const blocks: Buffer[] = []
  for await (const block of decompress(algorithm, source(readFileSync(join(directory, name)))))
    blocks.push(block)
  return Buffer.concat(blocks)
}
