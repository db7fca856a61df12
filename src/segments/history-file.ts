import { access } from 'node:fs/promises'
import { type FileSystem, writeFileDurably } from '../base/index.js'
import { type CompressionSpec, createCompressor, fileExtension } from '../codec/index.js'
import { historyFileName } from '../wal/index.js'
import { historyError } from './errors.js'

export interface HistoryFileOptions {
  readonly directory: string
  readonly timeline: number
  /** What the server sent, unchanged. */
  readonly content: Uint8Array
  readonly compression: CompressionSpec
  readonly fileMode: number
  /** False: no fsync (`--no-sync`). */
  readonly durable: boolean
  readonly files?: FileSystem
}

/**
 * Writes a timeline's history file, compressed as the segments are. It appears under its name only
 * when it is complete and durable; a left-over temporary file is emptied first.
 *
 * @returns the file's name
 * @throws WalFileError `HISTORY_FILE_WRITE_FAILED`
 */
export async function writeHistoryFile(options: HistoryFileOptions): Promise<string> {
  const { directory, compression, durable, files } = options
  const name = historyFileName(options.timeline) + fileExtension(compression.algorithm)
  try {
    const content = await compressed(Buffer.from(options.content), compression)
    await writeFileDurably(`${directory}/${name}`, content, { mode: options.fileMode, durable, files })
  } catch (error) {
    throw historyError(name, error)
  }
  return name
}

/** Whether a timeline's history is in the directory, with any compression or none. */
export async function historyFileExists(directory: string, timeline: number): Promise<boolean> {
  for (const algorithm of ['none', 'gzip', 'lz4'] as const) {
    const name = historyFileName(timeline) + fileExtension(algorithm)
    const found = await access(`${directory}/${name}`).then(
      () => true,
      () => false,
    )
    if (found) return true
  }
  return false
}

async function compressed(content: Buffer, compression: CompressionSpec): Promise<Buffer> {
  if (compression.algorithm === 'none') return content
  const parts: Buffer[] = []
  const compressor = createCompressor(compression, async (chunks) => {
    parts.push(...chunks)
  })
  await compressor.write([content])
  await compressor.end()
  return Buffer.concat(parts)
}
