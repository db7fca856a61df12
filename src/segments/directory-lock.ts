import { spawn } from 'node:child_process'
import { type FileHandle, open } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { errnoText } from '../base/index.js'
import { directoryUnlocked, type WalFileError } from './errors.js'

const LOCK_FILE = '.walship.lock'

/** What came of the attempt to lock a directory. */
export type LockAttempt =
  | { readonly kind: 'held'; readonly lock: DirectoryLock }
  /** Another process has it; `holder` is what it has written down of itself, such as `process 123 on db1`. */
  | { readonly kind: 'busy'; readonly holder: string | null }
  /** Nobody can tell: there is no flock(1), or the file system has no locks. */
  | { readonly kind: 'unavailable'; readonly error: WalFileError }

/**
 * Keeps two receivers out of one directory. Each would take the other's open file for its own left-over.
 *
 * The lock is the kernel's (flock(2) on a hidden file), so that it is gone the moment its process is, also by
 * `kill -9`, and never gone before. A file with a process number is neither: another process may have got the
 * number since, and two containers may both be number 1. Node.js has no flock; but such a lock belongs to the open
 * file and not to the process, so flock(1) is handed the file, locks it and ends, and the lock stays here.
 *
 * The file is never removed: whoever waits for its lock would else wait for a file that nobody opens any more.
 */
export class DirectoryLock {
  readonly #file: FileHandle

  /** Never waits and never throws. */
  static async attempt(directory: string): Promise<LockAttempt> {
    const path = join(directory, LOCK_FILE)
    let file: FileHandle | undefined
    try {
      // Not emptied, and written only under the lock: it names the one who has it.
      file = await open(path, 'a+', 0o600)
      const answer = await flock(file.fd)
      if (answer === 'busy') {
        const holder = (await file.readFile('utf8')).trim()
        await file.close()
        return { kind: 'busy', holder: holder === '' ? null : holder }
      }
      await file.truncate(0)
      await file.writeFile(`process ${process.pid} on ${hostname()}\n`)
      return { kind: 'held', lock: new DirectoryLock(file) }
    } catch (error) {
      await file?.close().catch(() => {})
      return { kind: 'unavailable', error: directoryUnlocked(directory, errnoText(error), error) }
    }
  }

  private constructor(file: FileHandle) {
    this.#file = file
  }

  async release(): Promise<void> {
    await this.#file.truncate(0).catch(() => {})
    await this.#file.close()
  }
}

/** @throws what flock(1) says, or the lack of it */
async function flock(fd: number): Promise<'held' | 'busy'> {
  const child = spawn('flock', ['-n', '-x', '3'], { stdio: ['ignore', 'ignore', 'pipe', fd] })
  let complaint = ''
  child.stderr!.setEncoding('utf8').on('data', (text) => {
    complaint += text
  })
  const status = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  if (status === 0) return 'held'
  // With -n it says nothing about a lock that is taken, and something about all else.
  if (status === 1 && complaint === '') return 'busy'
  throw new Error(complaint.trim() || `flock ended with status ${status}`)
}
