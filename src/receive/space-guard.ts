import { statfs } from 'node:fs/promises'

/** Looks at the free space of the directory's file system. */
export interface SpaceGuardOptions {
  readonly directory: string
  /** Stop taking WAL below this many free bytes. */
  readonly floorBytes: number
  /** Go on only above this many, so that it does not flutter. */
  readonly resumeBytes: number
  /** How often to look, in milliseconds. */
  readonly intervalMs: number
  /** Free bytes for an unprivileged user. Replaced in tests. */
  readonly freeBytes?: (directory: string) => Promise<number>
}

async function freeBytesOf(directory: string): Promise<number> {
  const { bavail, bsize } = await statfs(directory)
  return bavail * bsize
}

/**
 * Says when the directory has too little room: stopping in time beats a full disk, on which
 * nothing else works any more either.
 */
export class SpaceGuard {
  readonly #options: SpaceGuardOptions
  #timer: NodeJS.Timeout | null = null
  #low = false

  constructor(options: SpaceGuardOptions) {
    this.#options = options
  }

  /** Watches until `close`. A look that fails counts as enough room: the write will tell. */
  watch(onLow: (freeBytes: number) => void, onEnough: (freeBytes: number) => void): void {
    const { directory, floorBytes, resumeBytes, intervalMs, freeBytes = freeBytesOf } = this.#options
    const look = async () => {
      const free = await freeBytes(directory).catch(() => Number.POSITIVE_INFINITY)
      if (this.#timer === null) return
      if (!this.#low && free < floorBytes) {
        this.#low = true
        onLow(free)
      } else if (this.#low && free >= resumeBytes) {
        this.#low = false
        onEnough(free)
      }
      this.#timer = setTimeout(look, intervalMs)
    }
    this.#timer = setTimeout(look, 0)
  }

  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
  }
}
