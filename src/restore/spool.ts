import {
  closeSync,
  copyFileSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { isSegmentFileName } from '../wal/index.js'
import { SEGMENT_HEAD_SIZE, segmentFault } from './segment-check.js'

/**
 * The folder with the segments that were fetched ahead of time, on one machine, for one data directory and
 * one store.
 *
 * Promise: a file under a segment's plain name is a finished segment, verified when it was fetched, complete
 * and durable (temporary name, fsync, rename). Finished segments never change, so one that is here can be
 * served at any later time. All else in the folder has other names. Not promised: that anything is here.
 *
 * The calls are synchronous because the one caller that matters has nothing else to do, and each turn of
 * the event loop would cost it time.
 */
export class Spool {
  readonly directory: string

  /** @param directory need not exist yet */
  constructor(directory: string) {
    this.directory = directory
  }

  path(name: string): string {
    return join(this.directory, name)
  }

  /**
   * Makes the folder and the one it is in, and none above: a data directory that is not there stays so.
   *
   * @throws the operating system's error
   */
  create(): void {
    for (const directory of [dirname(this.directory), this.directory]) {
      try {
        mkdirSync(directory, { mode: 0o700 })
      } catch (error) {
        if (errno(error) !== 'EEXIST') throw error
      }
    }
  }

  /**
   * Moves a segment to its target, if it is here. One that is not what its name says is removed.
   *
   * @param systemIdentifier of the cluster that asks; null when that is not known
   * @returns false when it is not here, or was not fit to be used
   * @throws the operating system's error when the target cannot be written
   */
  take(name: string, target: string, systemIdentifier: bigint | null): boolean {
    const path = this.path(name)
    const fault = faultOf(path, name, systemIdentifier)
    if (fault === undefined) return false
    if (fault !== null) {
      removeIfThere(path)
      return false
    }
    try {
      renameSync(path, target)
    } catch (error) {
      // Another caller was faster.
      if (errno(error) === 'ENOENT' && !this.has(name)) return false
      if (errno(error) !== 'EXDEV') throw error
      copyToOtherDisk(path, target)
    }
    syncDirectorySync(dirname(target))
    return true
  }

  has(name: string): boolean {
    return this.#names().includes(name)
  }

  /** Finished segments that are here, in order. */
  segments(): string[] {
    return this.#names().filter(isSegmentFileName).sort()
  }

  /** True while a segment is being fetched, as far as the folder tells; whoever did it may have died since. */
  isBeingFetched(name: string): boolean {
    return this.#names().some((each) => each.startsWith(`${name}.`) && each.endsWith('.fetching'))
  }

  /** The name a segment has until it is complete. @param owner the process that writes it */
  unfinishedName(name: string, owner: number): string {
    return `${name}.${owner}.fetching`
  }

  markBeingFetched(unfinishedName: string): void {
    writeFileSync(this.path(unfinishedName), '', { mode: 0o600 })
  }

  /** Removes the files of fetches that were broken off. @param owner whose are kept */
  removeUnfinished(owner: number): void {
    for (const name of this.#names())
      if (name.endsWith('.fetching') && !name.endsWith(`.${owner}.fetching`)) this.remove(name)
  }

  remove(name: string): void {
    removeIfThere(this.path(name))
  }

  /**
   * Notes which segment is asked for: the window that is kept ahead begins behind it. Before it is taken,
   * so that a prefetcher never takes its absence for a reason to fetch it again.
   *
   * @throws the operating system's error, `ENOENT` where there is no spool yet
   */
  noteAsked(name: string): void {
    writeFileSync(this.path('asked'), name, { mode: 0o600 })
  }

  /** @returns null when nothing was asked for yet */
  lastAsked(): string | null {
    try {
      const name = readFileSync(this.path('asked'), 'latin1')
      return isSegmentFileName(name) ? name : null
    } catch {
      return null
    }
  }

  #names(): string[] {
    try {
      return readdirSync(this.directory)
    } catch {
      return []
    }
  }
}

function errno(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code
}

/** undefined: no such file; null: nothing wrong with it */
function faultOf(path: string, name: string, systemIdentifier: bigint | null): string | null | undefined {
  let file: number
  try {
    file = openSync(path, 'r')
  } catch {
    return undefined
  }
  try {
    const head = new Uint8Array(SEGMENT_HEAD_SIZE)
    const count = readSync(file, head, 0, head.length, 0)
    return segmentFault(name, head.subarray(0, count), fstatSync(file).size, systemIdentifier)
  } catch {
    return 'it cannot be read'
  } finally {
    closeSync(file)
  }
}

/** A spool on another file system than the target: the target still appears whole, under its name only when durable. */
function copyToOtherDisk(path: string, target: string): void {
  const temporary = join(dirname(target), `${basename(target)}.walship-${basename(path)}.tmp`)
  try {
    copyFileSync(path, temporary)
    const file = openSync(temporary, 'r+')
    try {
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    renameSync(temporary, target)
  } catch (error) {
    removeIfThere(temporary)
    throw error
  }
  removeIfThere(path)
}

function syncDirectorySync(path: string): void {
  const directory = openSync(path, 'r')
  try {
    fsyncSync(directory)
  } finally {
    closeSync(directory)
  }
}

function removeIfThere(path: string): void {
  try {
    unlinkSync(path)
  } catch {
    // It is gone, or it stays: nothing depends on it.
  }
}
