import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { StoreError } from './errors.js'
import { FileStore } from './file-store.js'
import { MemoryStore } from './memory-store.js'
import { isKey } from './object-key.js'
import type { ObjectStore } from './object-store.js'
import type { StoreOptions } from './store-options.js'

/**
 * Opens the store a URL names. Opening `s3:` sends nothing; `file:` looks at the directory.
 *
 * @param url `s3://BUCKET[/PREFIX]`, `file:///DIRECTORY`, or `memory:` for an empty one in this process
 * @throws StoreError `STORE_OPTION` for a URL or option that makes no sense, `STORE_NO_BUCKET` for a
 *   directory that is not there
 */
export async function openStore(url: string, options: StoreOptions = {}): Promise<ObjectStore> {
  if (url === 'memory:') return new MemoryStore()
  if (url.startsWith('file:')) return FileStore.open(directoryOf(url))
  if (url.startsWith('s3:')) {
    const { bucket, prefix } = parseS3Url(url)
    // Loaded only here: the SDK takes longer to load than a prefetched segment to deliver.
    const { openS3Store } = await import('./s3/s3-store.js')
    return openS3Store(bucket, prefix, options)
  }
  throw invalidUrl(url, 'use s3://BUCKET/PREFIX or file:///DIRECTORY')
}

function directoryOf(url: string): string {
  try {
    const parsed = new URL(url)
    if (!url.startsWith('file:///') || parsed.search !== '' || parsed.hash !== '') throw new TypeError(url)
    return resolve(fileURLToPath(parsed))
  } catch {
    throw invalidUrl(url, 'use three slashes and an absolute path, as in file:///mnt/archive')
  }
}

function parseS3Url(url: string): { bucket: string; prefix: string } {
  const match = /^s3:\/\/([a-z0-9A-Z][A-Za-z0-9._-]{1,254})(?:\/(.*))?$/.exec(url)
  const hint = 'use s3://BUCKET or s3://BUCKET/PREFIX with letters, digits and . _ - ~ in the prefix'
  if (match === null) throw invalidUrl(url, hint)
  const prefix = (match[2] ?? '').replace(/\/$/, '')
  if (prefix !== '' && !isKey(prefix)) throw invalidUrl(url, hint)
  return { bucket: match[1]!, prefix }
}

function invalidUrl(url: string, hint: string): StoreError {
  // A URL may be mistyped so that it carries credentials.
  const shown = url.replace(/\/\/[^/@]*@/, '//***@')
  return new StoreError(`"${shown}" is no store`, { code: 'STORE_OPTION', hint })
}
