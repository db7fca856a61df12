import { parseWalKey, walFolder, walKey } from './archive-layout.js'
import type { ObjectStore, OperationOptions } from './object-store.js'

interface Seen {
  /** What sorts before this key was not looked at. */
  readonly from: string
  readonly extensions: ReadonlyMap<string, readonly string[]>
}

/**
 * Under which extensions segments are in the archive already, so that one stored with another
 * compression is compared and not stored twice, perhaps with other content.
 *
 * One list per timeline and run, from the first segment asked for on: what comes later is stored by
 * this process, or by another, which should use the same compression.
 */
export class StoredVariants {
  readonly #store: ObjectStore
  readonly #seen = new Map<number, Seen>()

  constructor(store: ObjectStore) {
    this.#store = store
  }

  /** @param name a segment's 24 digits, with or without `.partial` */
  async extensionsOf(timeline: number, name: string, options: OperationOptions): Promise<readonly string[]> {
    const key = walKey(name, '')
    let seen = this.#seen.get(timeline)
    if (seen === undefined) {
      // Less than a digit of the name: sorts right before it and a few others.
      seen = await this.#look(walFolder(timeline), key.slice(0, walFolder(timeline).length + 23), options)
      this.#seen.set(timeline, seen)
    }
    if (key < seen.from) seen = await this.#look(key, key.slice(0, -1), options)
    return seen.extensions.get(name) ?? []
  }

  async #look(prefix: string, after: string, options: OperationOptions): Promise<Seen> {
    const extensions = new Map<string, string[]>()
    for await (const { key } of this.#store.list(prefix, { ...options, after })) {
      const object = parseWalKey(key)
      if (object === null) continue
      const known = extensions.get(object.name)
      if (known === undefined) extensions.set(object.name, [object.extension])
      else known.push(object.extension)
    }
    return { from: after, extensions }
  }
}
