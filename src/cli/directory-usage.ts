import { readdir, stat, statfs } from 'node:fs/promises'
import { join } from 'node:path'

export interface DirectoryUsageFacts {
  readonly path: string
  readonly freeBytes: number | null
  readonly totalBytes: number | null
  readonly walFiles: number | null
  readonly walBytes: number | null
}

const INTERVAL_MS = 10_000
const WAL_NAME = /^[0-9A-F]{24}(\.|$)/
/** Beyond this the sizes are not asked for one by one. */
const MAX_STATS = 5000

/** @throws what statfs(2) and readdir(3) say */
export async function measureDirectory(path: string): Promise<DirectoryUsageFacts> {
  const { bavail, blocks, bsize } = await statfs(path)
  const names = (await readdir(path)).filter((name) => WAL_NAME.test(name))
  let walBytes: number | null = null
  if (names.length <= MAX_STATS) {
    walBytes = 0
    for (const name of names) {
      // It may have gone to the archive meanwhile.
      const file = await stat(join(path, name)).catch(() => null)
      walBytes += file === null ? 0 : file.size
    }
  }
  return { path, freeBytes: bavail * bsize, totalBytes: blocks * bsize, walFiles: names.length, walBytes }
}

/** Room in the directory, looked at every few seconds; rarer where a look takes long. */
export class DirectoryUsage {
  #facts: DirectoryUsageFacts
  #timer: NodeJS.Timeout | null = null
  #closed = false

  constructor(path: string) {
    this.#facts = { path, freeBytes: null, totalBytes: null, walFiles: null, walBytes: null }
  }

  /** By the last look; all null when that failed. */
  get facts(): DirectoryUsageFacts {
    return this.#facts
  }

  start(): void {
    const look = async () => {
      const begun = Date.now()
      const { path } = this.#facts
      const nothing = { path, freeBytes: null, totalBytes: null, walFiles: null, walBytes: null }
      this.#facts = await measureDirectory(path).catch(() => nothing)
      if (this.#closed) return
      this.#timer = setTimeout(look, Math.max(INTERVAL_MS, 20 * (Date.now() - begun))).unref()
    }
    void look()
  }

  close(): void {
    this.#closed = true
    if (this.#timer !== null) clearTimeout(this.#timer)
  }
}
