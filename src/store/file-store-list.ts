import type { Dirent } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { errnoOf } from '../base/index.js'
import type { ListedObject } from './object-store.js'

/**
 * The objects below a directory in the order of their keys' bytes. Directories that cannot hold a
 * wanted key are not opened, and a file is looked at only when its turn comes.
 *
 * @param prefix only keys that begin with it
 * @param after only keys behind it
 */
export async function* walkObjects(
  root: string,
  prefix: string,
  after: string,
): AsyncGenerator<ListedObject> {
  const start = prefix.slice(0, prefix.lastIndexOf('/') + 1)
  yield* walk(root, start, prefix, after)
}

async function* walk(
  root: string,
  folder: string,
  prefix: string,
  after: string,
): AsyncGenerator<ListedObject> {
  for (const { key, isFolder } of await entries(root, folder)) {
    if (isFolder) {
      const mayHoldWanted =
        (key.startsWith(prefix) || prefix.startsWith(key)) && (key > after || after.startsWith(key))
      if (mayHoldWanted) yield* walk(root, key, prefix, after)
      continue
    }
    if (!key.startsWith(prefix) || key <= after) continue
    const found = await look(join(root, key))
    if (found !== null) yield { key, ...found }
  }
}

/** Entries sorted by key, where a folder's key ends with a slash: that is where its objects sort. */
async function entries(root: string, folder: string): Promise<{ key: string; isFolder: boolean }[]> {
  let found: Dirent[]
  try {
    found = await readdir(join(root, folder), { withFileTypes: true })
  } catch (error) {
    if (folder !== '' && errnoOf(error) === 'ENOENT') return []
    throw error
  }
  return found
    .filter((entry) => !entry.name.startsWith('.') && (entry.isDirectory() || entry.isFile()))
    .map((entry) => {
      const isFolder = entry.isDirectory()
      return { key: folder + entry.name + (isFolder ? '/' : ''), isFolder }
    })
    .sort((a, b) => (a.key < b.key ? -1 : 1))
}

/** null when it was removed in the meantime. */
async function look(path: string): Promise<{ readonly size: number; readonly storedAt: Date } | null> {
  try {
    const { size, mtime } = await stat(path)
    return { size, storedAt: mtime }
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null
    throw error
  }
}
