import { parseWalKey, walKey } from './archive-layout.js'
import type { ObjectStore, OperationOptions } from './object-store.js'

/**
 * Keys under which a segment is in the archive with another extension than the given one, because another receiver, or an
 * earlier run, has another compression. A store keeps different content apart only under one key.
 *
 * @param name a segment's 24 digits, with or without `.partial`
 */
export async function otherVariants(
  store: ObjectStore,
  name: string,
  extension: string,
  options: OperationOptions,
): Promise<readonly string[]> {
  const keys: string[] = []
  // What begins with the name is few: its variants, and those of its `.partial`.
  for await (const { key } of store.list(walKey(name, ''), options)) {
    const object = parseWalKey(key)
    if (object?.name === name && object.extension !== extension) keys.push(key)
  }
  return keys
}
