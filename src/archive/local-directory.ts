import { constants } from 'node:fs'
import { stat } from 'node:fs/promises'
import { errnoOf, type FileSystem, nodeFileSystem, type OpenFile } from '../base/index.js'
import { type CompressionAlgorithm, type Content, contentOf, decompress } from '../codec/index.js'
import { historyFileName } from '../wal/index.js'
import type { SegmentId } from './catalog.js'
import { fileMissing, fileSizeWrong, fileUnreadable, LocalFileError } from './errors.js'
import { LOCAL_EXTENSIONS, type LocalFiles, nameOf, sortLocalNames } from './local-names.js'

const READ_SIZE = 1024 * 1024
const ALGORITHMS: Readonly<Record<string, CompressionAlgorithm>> = {
  '': 'none',
  '.gz': 'gzip',
  '.lz4': 'lz4',
}

/** A finished segment whose bytes can be read until it is closed, whatever becomes of its name. */
export interface OpenedSegment extends Content {
  close(): Promise<void>
}

/**
 * The directory the receiver fills, as the archive reads it. It is the queue between the two: what is
 * to be sent is always computed from it. Nothing is ever written here, and only whole files that the
 * archive holds are removed.
 */
export class LocalDirectory {
  readonly path: string
  readonly segmentSize: number
  readonly #files: FileSystem

  constructor(path: string, segmentSize: number, files: FileSystem = nodeFileSystem) {
    this.path = path
    this.segmentSize = segmentSize
    this.#files = files
  }

  /** @throws LocalFileError */
  async list(): Promise<LocalFiles> {
    try {
      return sortLocalNames(await this.#files.list(this.path), this.segmentSize)
    } catch (error) {
      throw fileUnreadable(this.path, error)
    }
  }

  /**
   * A finished segment's WAL, to be closed. A compressed one is unpacked into memory as a whole.
   *
   * @throws LocalFileError, also for a file that has not the size of a segment; reading throws it too
   */
  async openSegment(id: SegmentId): Promise<OpenedSegment> {
    const name = nameOf(id, this.segmentSize)
    for (const extension of LOCAL_EXTENSIONS) {
      const file = await this.#openIfThere(name + extension)
      if (file === null) continue
      try {
        if (extension === '') return await this.#plainSegment(file, name)
        const wal = await this.#readCompressed(file, name + extension)
        return { ...contentOf(wal), close: () => file.close() }
      } catch (error) {
        await file.close()
        throw asLocalError(name + extension, error)
      }
    }
    throw fileMissing(name)
  }

  /** A timeline's history file, whole. @throws LocalFileError */
  async readHistory(timeline: number): Promise<Buffer> {
    const name = historyFileName(timeline)
    for (const extension of LOCAL_EXTENSIONS) {
      const file = await this.#openIfThere(name + extension)
      if (file === null) continue
      try {
        return await collect(decompress(ALGORITHMS[extension]!, chunksOf(file)))
      } catch (error) {
        throw fileUnreadable(name + extension, error)
      } finally {
        await file.close()
      }
    }
    throw fileMissing(name)
  }

  /**
   * Bytes of a file that is not compressed.
   *
   * @param target filled with them
   * @param from first byte, offset in the file
   * @returns false when there is no file of that name
   * @throws LocalFileError when it holds fewer bytes
   */
  async readInto(target: Buffer, name: string, from: number): Promise<boolean> {
    const file = await this.#openIfThere(name)
    if (file === null) return false
    try {
      const count = await readFully(file, target, from)
      if (count < target.length) throw fileSizeWrong(name, from + count, this.segmentSize)
      return true
    } catch (error) {
      throw asLocalError(name, error)
    } finally {
      await file.close()
    }
  }

  /**
   * A file that is not compressed, whole.
   *
   * @returns null when there is no file of that name
   * @throws LocalFileError
   */
  async readWhole(name: string): Promise<Buffer | null> {
    const found = await this.#statOf(name)
    if (found === null) return null
    const whole = Buffer.allocUnsafeSlow(Math.min(found.size, this.segmentSize))
    return (await this.readInto(whole, name, 0)) ? whole : null
  }

  /** When a file was last written to, in milliseconds since the epoch; null when it is not there. */
  async changedAt(name: string): Promise<number | null> {
    return (await this.#statOf(name))?.mtimeMs ?? null
  }

  /** When a finished segment was last written to, in milliseconds since the epoch; null when it is not there. */
  async finishedAt(id: SegmentId): Promise<number | null> {
    const name = nameOf(id, this.segmentSize)
    for (const extension of LOCAL_EXTENSIONS) {
      const mtimeMs = await this.changedAt(name + extension)
      if (mtimeMs !== null) return mtimeMs
    }
    return null
  }

  /** @throws LocalFileError */
  async removeSegment(id: SegmentId): Promise<void> {
    const name = nameOf(id, this.segmentSize)
    for (const extension of LOCAL_EXTENSIONS) {
      try {
        await this.#files.unlink(`${this.path}/${name}${extension}`)
      } catch (error) {
        if (errnoOf(error) !== 'ENOENT') throw fileUnreadable(name + extension, error)
      }
    }
  }

  async #statOf(name: string): Promise<{ size: number; mtimeMs: number } | null> {
    try {
      return await stat(`${this.path}/${name}`)
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return null
      throw fileUnreadable(name, error)
    }
  }

  async #plainSegment(file: OpenFile, name: string): Promise<OpenedSegment> {
    const size = await file.size()
    if (size !== this.segmentSize) throw fileSizeWrong(name, size, this.segmentSize)
    const read = async (target: Buffer, from: number) => {
      try {
        const count = await readFully(file, target, from)
        if (count < target.length) throw fileSizeWrong(name, from + count, size)
      } catch (error) {
        throw asLocalError(name, error)
      }
    }
    return { length: size, read, close: () => file.close() }
  }

  async #readCompressed(file: OpenFile, name: string): Promise<Buffer> {
    const wal = Buffer.allocUnsafeSlow(this.segmentSize)
    let size = 0
    for await (const chunk of decompress(name.endsWith('.gz') ? 'gzip' : 'lz4', chunksOf(file))) {
      chunk.copy(wal, size)
      size += chunk.length
    }
    if (size !== this.segmentSize) throw fileSizeWrong(name, size, this.segmentSize)
    return wal
  }

  async #openIfThere(name: string): Promise<OpenFile | null> {
    try {
      return await this.#files.open(`${this.path}/${name}`, constants.O_RDONLY)
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return null
      throw fileUnreadable(name, error)
    }
  }
}

function asLocalError(name: string, error: unknown): LocalFileError {
  return error instanceof LocalFileError ? error : fileUnreadable(name, error)
}

async function readFully(file: OpenFile, buffer: Buffer, position: number): Promise<number> {
  let filled = 0
  while (filled < buffer.length) {
    const piece = buffer.subarray(filled, filled + READ_SIZE)
    const count = await file.read(piece, position + filled)
    if (count === 0) break
    filled += count
  }
  return filled
}

async function* chunksOf(file: OpenFile): AsyncGenerator<Buffer> {
  for (let position = 0; ; ) {
    const chunk = Buffer.allocUnsafe(READ_SIZE)
    const count = await file.read(chunk, position)
    if (count === 0) return
    yield chunk.subarray(0, count)
    position += count
  }
}

async function collect(chunks: AsyncIterable<Buffer>): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const chunk of chunks) parts.push(chunk)
  return Buffer.concat(parts)
}
