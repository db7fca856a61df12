import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TailRange } from './tail-chain.js'

/** What is known of an open segment's beginning. */
export interface CachedTail {
  /** The parts the bytes were joined from. */
  readonly chain: readonly TailRange[]
  /** From offset 0 to the end of the chain. */
  readonly bytes: Buffer
}

const NO_TAIL: CachedTail = { chain: [], bytes: Buffer.alloc(0) }

/**
 * The open segment as far as it was downloaded: a standby that lives off the archive asks for it again
 * and again, and each time only what is new has to come.
 *
 * A cache and nothing more. What it holds is checked by a hash whenever it is read, and it is dropped at the
 * first doubt; no failure of it is an error.
 */
export class TailCache {
  readonly #directory: string | null

  /** @param directory the spool's; null keeps nothing */
  constructor(directory: string | null) {
    this.#directory = directory
  }

  async read(name: string): Promise<CachedTail> {
    if (this.#directory === null) return NO_TAIL
    try {
      const { chain, sha256 } = JSON.parse(await readFile(this.#path(name, '.tail.json'), 'utf8'))
      const bytes = await readFile(this.#path(name, '.tail'))
      return (await hash(bytes)) === sha256 && isChain(chain, bytes.length) ? { chain, bytes } : NO_TAIL
    } catch {
      return NO_TAIL
    }
  }

  async write(name: string, tail: CachedTail): Promise<void> {
    if (this.#directory === null) return
    const chain = tail.chain.map(({ from, to }) => ({ from, to }))
    try {
      const description = JSON.stringify({ chain, sha256: await hash(tail.bytes) })
      await this.#replace(this.#path(name, '.tail'), tail.bytes)
      await this.#replace(this.#path(name, '.tail.json'), description)
    } catch {
      // The next call downloads a little more.
    }
  }

  /** Removes what is kept of all segments but one. @param name the one; null keeps none */
  async forgetAllBut(name: string | null): Promise<void> {
    if (this.#directory === null) return
    const names = await readdir(this.#directory).catch(() => [])
    for (const each of names)
      if (/^[0-9A-F]{24}\.tail(\.json)?(\.tmp)?$/.test(each) && (name === null || !each.startsWith(name)))
        await rm(join(this.#directory, each), { force: true }).catch(() => {})
  }

  #path(name: string, suffix: string): string {
    return join(this.#directory!, name + suffix)
  }

  async #replace(path: string, content: string | Uint8Array): Promise<void> {
    await writeFile(`${path}.tmp`, content, { mode: 0o600 })
    await rename(`${path}.tmp`, path)
  }
}

async function hash(bytes: Uint8Array): Promise<string> {
  // Loaded here and not above: an answer from the spool does not pay for it.
  const { createHash } = await import('node:crypto')
  return createHash('sha256').update(bytes).digest('hex')
}

function isChain(chain: unknown, byteCount: number): boolean {
  return Array.isArray(chain) && chain.length > 0 && chain.at(-1).to === byteCount
}
