import { readFile, stat } from 'node:fs/promises'
import { errnoOf } from '../base/index.js'

/** Questions about files where "it is not there" is an answer; any other failure is thrown. */

/** Device and inode of a directory; null when there is none. */
export async function identityOf(root: string): Promise<string | null> {
  try {
    const stats = await stat(root, { bigint: true })
    return stats.isDirectory() ? `${stats.dev}:${stats.ino}` : null
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return null
    throw error
  }
}

export async function isSameFile(one: string, other: string): Promise<boolean> {
  const [a, b] = await Promise.all([stat(one, { bigint: true }), stat(other, { bigint: true })])
  return a.dev === b.dev && a.ino === b.ino
}

export async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    (error) => {
      if (errnoOf(error) === 'ENOENT') return false
      throw error
    },
  )
}

export async function readIfThere(path: string): Promise<Buffer | null> {
  try {
    return await readFile(path)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null
    throw error
  }
}

export function ignoreMissing(error: unknown): void {
  if (errnoOf(error) !== 'ENOENT') throw error
}

/** Like `Promise.all`, but nothing is still under way when it rejects. */
export async function allDone(operations: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(operations)) {
    if (result.status === 'rejected') throw result.reason
  }
}
