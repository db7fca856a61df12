import { closeSync, fsyncSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'

/**
 * What is known of segments that a server itself holds damaged, until they are archived and it is noted with the object.
 * Each note is a file beside its segment, under a hidden name: after a restart nobody would look at the segment again.
 */
export class DamageNotes {
  readonly #directory: string
  readonly #texts = new Map<string, string>()

  constructor(directory: string) {
    this.#directory = directory
  }

  /** @throws nothing: without the file the note still lasts as long as this process. */
  add(segment: string, text: string): void {
    this.#texts.set(segment, text)
    try {
      const file = openSync(this.#path(segment), 'w', 0o600)
      try {
        writeSync(file, text)
        fsyncSync(file)
      } finally {
        closeSync(file)
      }
    } catch {
      // The disk is full or fails, which is told by those who write WAL to it.
    }
  }

  /** Undefined when nothing is known. */
  of(segment: string): string | undefined {
    const known = this.#texts.get(segment)
    if (known !== undefined) return known
    try {
      const text = readFileSync(this.#path(segment), 'latin1')
      // What a crash cut short still says that there was damage. Metadata take one line of plain characters.
      return /^[\x20-\x7e]+$/.test(text) ? text : 'unknown'
    } catch {
      return undefined
    }
  }

  /** The segment is archived. */
  remove(segment: string): void {
    this.#texts.delete(segment)
    try {
      rmSync(this.#path(segment), { force: true })
    } catch {
      // It says what is true, and nobody asks again.
    }
  }

  #path(segment: string): string {
    return join(this.#directory, `.${segment}.wal-check`)
  }
}
