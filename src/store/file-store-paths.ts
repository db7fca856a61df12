import { randomBytes } from 'node:crypto'
import { mkdir, readdir, stat, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { errnoOf, syncDirectory } from '../base/index.js'
import { ignoreMissing } from './existing-file.js'

/**
 * Where things lie under the root of a file store:
 *
 *     <key>                                an object's bytes, as they are
 *     .metadata/<key>.<16 digits>.json     its metadata; the digits are the beginning of the SHA-256 of the bytes
 *     .tmp/<random>                        an object on its way in
 *
 * Keys have no part that begins with a dot, so the three cannot meet.
 */
const METADATA = '.metadata'
const TEMPORARY = '.tmp'
const DIRECTORY_MODE = 0o700

/** A file on its way in that is older than this was left by a process that died. */
const STALE_AFTER_MS = 24 * 60 * 60 * 1000

export function metadataPath(root: string, key: string, digest: string): string {
  return join(root, METADATA, `${key}.${digest.slice(0, 16)}.json`)
}

export function temporaryPath(root: string): string {
  return join(root, TEMPORARY, randomBytes(12).toString('hex'))
}

/** Makes directories below the root so that their names are durable, and remembers which are. */
export class DurableDirectories {
  readonly #root: string
  readonly #durable = new Set<string>()

  constructor(root: string) {
    this.#root = root
    this.#durable.add(root)
  }

  async ensure(path: string): Promise<void> {
    if (this.#durable.has(path)) return
    if (!path.startsWith(this.#root)) throw new RangeError(`${path} is not below ${this.#root}`)
    await this.ensure(dirname(path))
    await mkdir(path, { mode: DIRECTORY_MODE }).catch((error) => {
      if (errnoOf(error) !== 'EEXIST') throw error
    })
    // Also when it was there: another process may have made it and not yet synced its name.
    await syncDirectory(dirname(path))
    this.#durable.add(path)
  }

  /** After an error: a directory may have been removed behind our back. */
  forget(): void {
    this.#durable.clear()
    this.#durable.add(this.#root)
  }
}

/**
 * Syncs all directories that hold objects or their metadata, the lower ones first.
 *
 * @param sync replaced in tests
 * @throws the operating system's error
 */
export async function syncObjectDirectories(path: string, sync = syncDirectory): Promise<void> {
  for (const entry of await readdir(path, { withFileTypes: true })) {
    if (entry.isDirectory() && entry.name !== TEMPORARY)
      await syncObjectDirectories(join(path, entry.name), sync).catch(ignoreMissing)
  }
  await sync(path)
}

/** Removes what processes that died left on the way in. */
export async function removeStaleTemporaries(root: string, nowMs: number): Promise<void> {
  const directory = join(root, TEMPORARY)
  for (const name of await readdir(directory).catch(() => [])) {
    const path = join(directory, name)
    const age = await stat(path).then(
      (stats) => nowMs - stats.mtimeMs,
      () => 0,
    )
    if (age > STALE_AFTER_MS) await unlink(path).catch(() => {})
  }
}
