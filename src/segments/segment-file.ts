import type { FileSystem } from '../base/index.js'

/** What all files of one writer have in common. */
export interface SegmentFileContext {
  readonly files: FileSystem
  readonly directory: string
  /** bytes */
  readonly segmentSize: number
  /** Permission bits, whatever the process's umask. */
  readonly fileMode: number
  /** False: no fsync at all. */
  readonly durable: boolean
  /** Small pieces will be made durable one by one. */
  readonly synchronous: boolean
}

/**
 * The file of one segment, open for writing from the segment's start. One call at a time. Its name is
 * the writer's business, and may change while the file is open.
 */
export interface SegmentFile {
  /**
   * Takes the bytes that follow the ones before; the buffers are free again when it resolves.
   *
   * @param offset of the first byte in the segment
   * @param durably a wish: the caller will call `sync` next, so that both may be done in one step
   * @throws WalFileError `WAL_FILE_WRITE_FAILED`, `WAL_FILE_SYNC_FAILED`
   */
  append(buffers: readonly Buffer[], offset: number, durably: boolean): Promise<void>
  /** `sync` has nothing to do. */
  readonly synced: boolean
  /** All bytes so far can be got back from the file, and are durable unless durability is off. */
  sync(): Promise<void>
  /** Completes the file's format; nothing can be appended any more. */
  end(): Promise<void>
  /** Releases the file, whatever state it is in. */
  close(): Promise<void>
}
