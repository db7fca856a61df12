import { readFileSync, statSync, unlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** How often the owner shows that it is alive, in milliseconds. */
const HEARTBEAT_MS = 2_000

/** After so long without a sign of life an owner counts as dead, even if a process has its number. */
const STALE_AFTER_MS = 15_000

/**
 * At most one process fetches ahead into a spool. The owner's process id is in the file, and its time is
 * renewed as long as the owner works: an owner that was killed is noticed at once, one whose number was given
 * to another process since, or that hangs, after {@link STALE_AFTER_MS}.
 *
 * Two owners at once, which a stopped and continued process can bring about, do no harm: each writes
 * under names of its own. The lock saves work; nothing is right because of it.
 */
export class SpoolLock {
  readonly #path: string
  readonly #isRunning: (pid: number) => boolean
  #beat: NodeJS.Timeout | null = null

  /**
   * @param directory the spool's
   * @param isRunning whether a process of this machine exists
   */
  constructor(directory: string, isRunning: (pid: number) => boolean) {
    this.#path = join(directory, 'prefetch.lock')
    this.#isRunning = isRunning
  }

  /** True while somebody holds it and shows signs of life. */
  isHeld(): boolean {
    try {
      const age = Date.now() - statSync(this.#path).mtimeMs
      const owner = this.#owner()
      return age < STALE_AFTER_MS && owner !== null && this.#isRunning(owner)
    } catch {
      return false
    }
  }

  /**
   * Takes the lock for a process, unless it is held: by the process itself, or for a process that was just
   * started, so that a second one is not started before the first is up.
   *
   * @returns true when that process is the owner now, or was before
   */
  acquire(pid: number): boolean {
    if (this.isHeld()) return this.#owner() === pid
    try {
      this.#remove()
      writeFileSync(this.#path, String(pid), { flag: 'wx', mode: 0o600 })
      return true
    } catch {
      return false
    }
  }

  /** Shows signs of life until {@link release}. @param onLost called when another owner took over */
  keep(pid: number, onLost: () => void): void {
    this.#beat = setInterval(() => {
      if (this.#owner() !== pid) return onLost()
      const now = new Date()
      try {
        utimesSync(this.#path, now, now)
      } catch {
        onLost()
      }
    }, HEARTBEAT_MS)
    this.#beat.unref()
  }

  release(pid: number): void {
    if (this.#beat !== null) clearInterval(this.#beat)
    this.#beat = null
    if (this.#owner() === pid) this.#remove()
  }

  #owner(): number | null {
    try {
      const pid = Number.parseInt(readFileSync(this.#path, 'latin1'), 10)
      return pid > 0 ? pid : null
    } catch {
      return null
    }
  }

  #remove(): void {
    try {
      unlinkSync(this.#path)
    } catch {
      // not there
    }
  }
}
