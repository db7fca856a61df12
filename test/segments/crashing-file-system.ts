import { closeSync, constants, ftruncateSync, openSync, renameSync, unlinkSync, writeSync } from 'node:fs'
import { basename } from 'node:path'
import type { FileSystem, OpenFile } from '../../src/base/index.js'
import { DiskModel, type Inode } from '../support/disk-model.js'

/** What is thrown at everything that still runs when the power is cut or the process killed. */
export class PowerCut extends Error {}

const SHORT_WRITES = 0.03

export type CallKind =
  | 'open'
  | 'write'
  | 'read'
  | 'size'
  | 'truncate'
  | 'chmod'
  | 'sync'
  | 'directory-sync'
  | 'rename'
  | 'unlink'
  | 'list'

/**
 * A file system in memory that forgets, when its power is cut, what was not synced: any of the pages
 * written since the last fsync of a file, and the changes of names since the last fsync of the
 * directory: the last ones of them (as with a journal) or any of them.
 *
 * With a mirror, a real directory shows at each moment what programs see, for code that reads by itself.
 */
export class CrashingFileSystem implements FileSystem {
  readonly model: DiskModel
  readonly #random: () => number
  readonly #mirror: string | null
  #callsLeft = Number.POSITIVE_INFINITY
  readonly #descriptors = new Set<number>()
  /** An errno for a call that has to fail; a failed fsync loses what it should have written. */
  fail: (kind: CallKind) => string | undefined = () => undefined
  /** Called once when the end comes. */
  onEnd: () => void = () => {}

  constructor(random: () => number, ordered: boolean, mirror: string | null = null) {
    this.#random = random
    this.model = new DiskModel(random, ordered)
    this.#mirror = mirror
  }

  /** Cuts the power, or kills the process, at the given call from now on. */
  cutPowerAfter(calls: number): void {
    this.#callsLeft = calls
  }

  get hasEnded(): boolean {
    return this.#callsLeft < 0
  }

  /** What is on the disk when power is back; the file system goes on from there. */
  restart(): Map<string, Buffer> {
    this.revive()
    return this.model.restart()
  }

  /** A new process on the same machine: nothing is lost. */
  revive(): void {
    this.#callsLeft = Number.POSITIVE_INFINITY
    for (const descriptor of this.#descriptors) closeSync(descriptor)
    this.#descriptors.clear()
  }

  /** @throws PowerCut, or the error that was planned */
  async call(kind: CallKind): Promise<void> {
    // As in the thread pool, calls that run at the same time end in any order.
    const turns = Math.floor(this.#random() * 3)
    for (let i = 0; i < turns; i++) await Promise.resolve()
    if (this.#callsLeft-- <= 0) {
      if (this.#callsLeft === -1) this.onEnd()
      throw new PowerCut('power cut')
    }
    const errno = this.fail(kind)
    if (errno !== undefined) throw osError(errno)
  }

  /** Now and then a write takes only a part. */
  writesShort(): boolean {
    return this.#random() < SHORT_WRITES
  }

  async open(path: string, flags: number): Promise<OpenFile> {
    await this.call('open')
    if ((flags & constants.O_DIRECTORY) !== 0) return new CrashingDirectory(this)
    const name = basename(path)
    let inode = this.model.lookup(name)
    if (inode !== undefined && (flags & constants.O_EXCL) !== 0) throw osError('EEXIST')
    if (inode === undefined) {
      if ((flags & constants.O_CREAT) === 0) throw osError('ENOENT')
      inode = this.model.create(name)
    }
    if ((flags & constants.O_TRUNC) !== 0) inode.resize(0)
    return new CrashingFile(this, inode, {
      writesDurably: (flags & constants.O_DSYNC) === constants.O_DSYNC,
      mirror: this.#mirrored(path, flags),
      closed: (descriptor) => this.#descriptors.delete(descriptor),
    })
  }

  async rename(from: string, to: string): Promise<void> {
    await this.call('rename')
    if (!this.model.rename(basename(from), basename(to))) throw osError('ENOENT')
    if (this.#mirror !== null) renameSync(from, to)
  }

  async unlink(path: string): Promise<void> {
    await this.call('unlink')
    if (!this.model.unlink(basename(path))) throw osError('ENOENT')
    if (this.#mirror !== null) unlinkSync(path)
  }

  async list(): Promise<string[]> {
    await this.call('list')
    return this.model.names
  }

  #mirrored(path: string, flags: number): number | null {
    if (this.#mirror === null) return null
    const descriptor = openSync(path, flags & ~constants.O_DSYNC & ~constants.O_EXCL)
    this.#descriptors.add(descriptor)
    return descriptor
  }
}

function osError(code: string): Error {
  return Object.assign(new Error(code), { code })
}

interface CrashingFileOptions {
  readonly writesDurably: boolean
  /** Descriptor of the file in the mirror. */
  readonly mirror: number | null
  closed(descriptor: number): void
}

class CrashingFile implements OpenFile {
  readonly #system: CrashingFileSystem
  readonly #inode: Inode
  readonly #options: CrashingFileOptions

  constructor(system: CrashingFileSystem, inode: Inode, options: CrashingFileOptions) {
    this.#system = system
    this.#inode = inode
    this.#options = options
  }

  async writev(buffers: readonly Uint8Array[], position: number): Promise<number> {
    const { writesDurably, mirror } = this.#options
    // In two steps, so that the power can be cut in between.
    const bytes = Buffer.concat(buffers)
    const half = Math.ceil(bytes.length / 2)
    const isShort = this.#system.writesShort()
    for (const [from, to] of [
      [0, half],
      [half, bytes.length],
    ] as const) {
      await this.#system.call('write')
      const piece = bytes.subarray(from, to)
      if (mirror !== null) writeSync(mirror, piece, 0, piece.length, position + from)
      this.#inode.write(piece, position + from)
      if (!isShort || to === bytes.length) continue
      if (writesDurably) this.#inode.writeDurably(piece, position)
      return half
    }
    if (writesDurably) this.#inode.writeDurably(bytes, position)
    return bytes.length
  }

  async read(buffer: Uint8Array, position: number): Promise<number> {
    await this.#system.call('read')
    return this.#inode.data.copy(buffer, 0, position)
  }

  async size(): Promise<number> {
    await this.#system.call('size')
    return this.#inode.size
  }

  async truncate(size: number): Promise<void> {
    await this.#system.call('truncate')
    if (this.#options.mirror !== null) ftruncateSync(this.#options.mirror, size)
    this.#inode.resize(size)
  }

  async chmod(): Promise<void> {
    await this.#system.call('chmod')
  }

  async datasync(): Promise<void> {
    const synced = this.#inode.beginSync()
    await this.#system.call('sync')
    synced()
  }

  sync(): Promise<void> {
    return this.datasync()
  }

  async close(): Promise<void> {
    const { mirror, closed } = this.#options
    if (mirror === null || this.#system.hasEnded) return
    closed(mirror)
    closeSync(mirror)
  }
}

class CrashingDirectory implements OpenFile {
  readonly #system: CrashingFileSystem

  constructor(system: CrashingFileSystem) {
    this.#system = system
  }

  async sync(): Promise<void> {
    await this.#system.call('directory-sync')
    this.#system.model.syncNames()
  }

  async close(): Promise<void> {}
  writev = unexpected
  read = unexpected
  size = unexpected
  truncate = unexpected
  chmod = unexpected
  datasync = unexpected
}

function unexpected(): never {
  throw new Error('not a call on a directory')
}
