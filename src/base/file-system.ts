import {
  close,
  constants,
  fchmod,
  fdatasync,
  fstat,
  fsync,
  ftruncate,
  open,
  read,
  readdir,
  writev,
  writevSync,
} from 'node:fs'
import { rename, unlink } from 'node:fs/promises'
import { WritePace } from './write-pace.js'

/**
 * The few file calls that decide whether bytes survive, as one small object.
 *
 * Code that must be right after a full disk, a failed fsync or a power cut takes a `FileSystem`
 * instead of importing `node:fs`, so that a test can put such an event at any point and can record
 * the order of the calls. Every method rejects with the operating system's error.
 */
export interface FileSystem {
  /** @param flags `O_` constants of `node:fs`, or-ed; a directory is opened with `O_DIRECTORY` */
  open(path: string, flags: number, mode?: number): Promise<OpenFile>
  rename(from: string, to: string): Promise<void>
  unlink(path: string): Promise<void>
  /** Names in a directory, in no particular order. */
  list(path: string): Promise<string[]>
}

/** An open file or directory. All positions and sizes are in bytes. */
export interface OpenFile {
  /** Writes at a position; may write fewer bytes than were given. Returns the count written. */
  writev(buffers: readonly Uint8Array[], position: number): Promise<number>
  /** Reads at a position; returns the count read, 0 at the end of the file. */
  read(buffer: Uint8Array, position: number): Promise<number>
  size(): Promise<number>
  truncate(size: number): Promise<void>
  chmod(mode: number): Promise<void>
  /** fdatasync(2): the data and what is needed to find it again are durable. */
  datasync(): Promise<void>
  /** fsync(2); on a directory, the names in it are durable. */
  sync(): Promise<void>
  close(): Promise<void>
}

/**
 * Flag for a descriptor whose writes are durable when they return, or 0 where that is not to be had.
 * Only Linux: elsewhere it does not reach through the drive's own cache.
 */
export const WRITE_DURABLY_FLAG: number = process.platform === 'linux' ? (constants.O_DSYNC ?? 0) : 0

function settle(resolve: () => void, reject: (error: Error) => void) {
  return (error: Error | null) => (error === null ? resolve() : reject(error))
}

/** Into the page cache. */
const cachedPace = new WritePace({ slowMs: 50, penaltyMs: 10_000, maxBytes: Number.POSITIVE_INFINITY })
/** To the disk: many small writes that a commit waits for each. */
const durablePace = new WritePace({ slowMs: 20, penaltyMs: 250, maxBytes: 64 * 1024 })

/**
 * A file by its descriptor. Callbacks of `node:fs` and not its promises: on the path of a
 * synchronous commit the latter cost two more objects and turns of the loop per call.
 */
class NodeOpenFile implements OpenFile {
  readonly #fd: number
  readonly #pace: WritePace

  constructor(fd: number, pace: WritePace) {
    this.#fd = fd
    this.#pace = pace
  }

  writev(buffers: readonly Uint8Array[], position: number): Promise<number> {
    const begunAt = performance.now()
    if (this.#pace.mayWriteHere(begunAt, buffers)) {
      try {
        return Promise.resolve(writevSync(this.#fd, buffers, position))
      } catch (error) {
        return Promise.reject(error)
      } finally {
        this.#pace.wrote(begunAt, performance.now())
      }
    }
    return new Promise((resolve, reject) => {
      writev(this.#fd, buffers, position, (error, count) => (error === null ? resolve(count) : reject(error)))
    })
  }

  read(buffer: Uint8Array, position: number): Promise<number> {
    return new Promise((resolve, reject) => {
      read(this.#fd, buffer, 0, buffer.length, position, (error, count) =>
        error === null ? resolve(count) : reject(error),
      )
    })
  }

  size(): Promise<number> {
    return new Promise((resolve, reject) => {
      fstat(this.#fd, (error, stats) => (error === null ? resolve(stats.size) : reject(error)))
    })
  }

  truncate(size: number): Promise<void> {
    return new Promise((resolve, reject) => ftruncate(this.#fd, size, settle(resolve, reject)))
  }

  chmod(mode: number): Promise<void> {
    return new Promise((resolve, reject) => fchmod(this.#fd, mode, settle(resolve, reject)))
  }

  datasync(): Promise<void> {
    return new Promise((resolve, reject) => fdatasync(this.#fd, settle(resolve, reject)))
  }

  sync(): Promise<void> {
    return new Promise((resolve, reject) => fsync(this.#fd, settle(resolve, reject)))
  }

  close(): Promise<void> {
    return new Promise((resolve, reject) => close(this.#fd, (error) => (error ? reject(error) : resolve())))
  }
}

/** The real thing. */
export const nodeFileSystem: FileSystem = {
  open: (path, flags, mode) =>
    new Promise((resolve, reject) => {
      open(path, flags, mode, (error, fd) =>
        error === null
          ? resolve(
              new NodeOpenFile(
                fd,
                WRITE_DURABLY_FLAG !== 0 && (flags & WRITE_DURABLY_FLAG) === WRITE_DURABLY_FLAG
                  ? durablePace
                  : cachedPace,
              ),
            )
          : reject(error),
      )
    }),
  rename,
  unlink,
  list: (path) =>
    new Promise((resolve, reject) => {
      readdir(path, (error, names) => (error === null ? resolve(names) : reject(error)))
    }),
}

/**
 * Writes all buffers at a position, going on after short writes.
 *
 * @param buffers not changed; free again when the promise settles
 * @throws the operating system's error; `ENOSPC` when a write takes nothing and says no reason, as
 *   PostgreSQL assumes for its own files
 */
export async function writeFully(
  file: OpenFile,
  buffers: readonly Uint8Array[],
  position: number,
): Promise<void> {
  let rest = buffers
  let missing = 0
  for (const buffer of buffers) missing += buffer.length
  let at = position
  while (missing > 0) {
    const count = await file.writev(rest, at)
    if (count === 0)
      throw Object.assign(new Error('ENOSPC: no space left on device, writev'), { code: 'ENOSPC' })
    at += count
    missing -= count
    if (missing > 0) rest = withoutFirst(rest, count)
  }
}

function withoutFirst(buffers: readonly Uint8Array[], byteCount: number): Uint8Array[] {
  let skip = byteCount
  let index = 0
  while (skip >= buffers[index]!.length) skip -= buffers[index++]!.length
  const rest = buffers.slice(index)
  rest[0] = rest[0]!.subarray(skip)
  return rest
}
