import { constants } from 'node:fs'
import { link, rename, unlink } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { errnoOf, nodeFileSystem, sleep, syncDirectory, writeFileDurably, writeFully } from '../base/index.js'
import { sha256Hex } from './digest.js'
import { operationFailed, type StoreOperation } from './errors.js'
import { allDone, identityOf, ignoreMissing, isSameFile, isThere, readIfThere } from './existing-file.js'
import { fileStoreError } from './file-store-errors.js'
import { walkObjects } from './file-store-list.js'
import {
  DurableDirectories,
  metadataPath,
  removeStaleTemporaries,
  syncObjectDirectories,
  temporaryPath,
} from './file-store-paths.js'
import type {
  GetOptions,
  ListedObject,
  ListOptions,
  ObjectInfo,
  OperationOptions,
  PutOptions,
  StoredObject,
} from './object-store.js'
import { StoreBase } from './store-base.js'

const FILE_MODE = 0o600
const PAGE_SIZE = 1000
const READ_ATTEMPTS = 4
const READ_DELAY_MS = 50

/** What link(2) says where the file system knows no second name for a file. */
const NO_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'])

/**
 * Objects as plain files below one directory, safe for several processes at once.
 *
 * A file gets its name by link(2), which fails when the name is taken: so of several writers one wins,
 * and the bytes were synced before. Metadata lies in a file of its own, which is found by the SHA-256 of
 * the bytes: it is written first, so an object never appears without it, and it cannot be taken for that
 * of other bytes. Every read therefore checks the bytes too.
 *
 * The root itself is never made, and "not there" is said only while it is the directory that was opened:
 * a file system that is not mounted must not look like an empty archive.
 */
export class FileStore extends StoreBase {
  readonly name: string
  readonly #root: string
  readonly #rootIdentity: string
  readonly #directories: DurableDirectories
  #linksWork = true
  #cleaned = false

  /** @param root absolute path of a directory that is there */
  static async open(root: string): Promise<FileStore> {
    const operation: StoreOperation = { verb: 'open', key: '', store: `file://${root}` }
    try {
      const identity = await identityOf(root)
      if (identity !== null) return new FileStore(root, identity)
    } catch (error) {
      throw fileStoreError(operation, error)
    }
    throw operationFailed(operation, 'it is not a directory, or not there', {
      code: 'STORE_NO_BUCKET',
      hint: 'mount the file system, or make the directory: walship never makes it, so that a missing mount is noticed',
    })
  }

  private constructor(root: string, rootIdentity: string) {
    super()
    this.name = `file://${root}`
    this.#root = root
    this.#rootIdentity = rootIdentity
    this.#directories = new DurableDirectories(root)
  }

  get features() {
    return { createOnly: this.#linksWork }
  }

  protected putObject(key: string, body: Buffer, options: PutOptions): Promise<'created' | 'exists'> {
    return this.#attempt({ verb: 'put', key, store: this.name }, async (operation) => {
      await this.#checkRoot(operation)
      const path = `${this.#root}/${key}`
      if (options.ifAbsent && (await isThere(path))) return this.#alreadyThere(path)
      await this.#cleanOnce()
      const digest = options.bodySha256?.toString('hex') ?? (await sha256Hex(body))
      options.signal?.throwIfAborted()
      const temporary = temporaryPath(this.#root)
      try {
        await allDone([
          this.#writeTemporary(temporary, body),
          this.#writeMetadata(key, digest, options.metadata ?? {}),
          this.#directories.ensure(dirname(path)),
        ])
        options.signal?.throwIfAborted()
        const old = options.ifAbsent ? null : await readIfThere(path)
        if (options.ifAbsent && !(await this.#giveName(temporary, path))) return this.#alreadyThere(path)
        if (!options.ifAbsent) await rename(temporary, path)
        await syncDirectory(dirname(path))
        if (old !== null) await this.#removeMetadata(key, await sha256Hex(old), digest)
        return 'created'
      } finally {
        await unlink(temporary).catch(() => {})
      }
    })
  }

  protected getObject(key: string, options: GetOptions): Promise<StoredObject | null> {
    return this.#attempt({ verb: 'get', key, store: this.name }, async (operation) => {
      const whole = await this.#read(key, operation)
      if (whole === null) return null
      const offset = options.offset ?? 0
      const body = whole.body.subarray(offset, offset + (options.length ?? whole.body.length))
      return { info: whole.info, body }
    })
  }

  protected headObject(key: string, _options: OperationOptions): Promise<ObjectInfo | null> {
    return this.#attempt({ verb: 'head', key, store: this.name }, async (operation) => {
      return (await this.#read(key, operation))?.info ?? null
    })
  }

  protected async *listPages(prefix: string, options: ListOptions): AsyncGenerator<readonly ListedObject[]> {
    const operation: StoreOperation = { verb: 'list', key: prefix, store: this.name }
    let page: ListedObject[] = []
    try {
      for await (const object of walkObjects(this.#root, prefix, options.after ?? '')) {
        options.signal?.throwIfAborted()
        page.push(object)
        if (page.length >= (options.pageSize ?? PAGE_SIZE)) {
          yield page
          page = []
        }
      }
      await this.#checkRoot(operation)
    } catch (error) {
      throw fileStoreError(operation, error)
    }
    if (page.length > 0) yield page
  }

  protected deleteObject(key: string): Promise<void> {
    return this.#attempt({ verb: 'delete', key, store: this.name }, async (operation) => {
      const path = `${this.#root}/${key}`
      const body = await readIfThere(path)
      if (body === null) return this.#checkRoot(operation)
      // The metadata first: a writer that finds the name free writes its own only then, so it cannot lose it here.
      await this.#removeMetadata(key, await sha256Hex(body))
      await unlink(path).catch(ignoreMissing)
      await syncDirectory(dirname(path))
    })
  }

  protected override settleStore(): Promise<void> {
    return this.#attempt({ verb: 'list', key: '', store: this.name }, () => syncObjectDirectories(this.#root))
  }

  protected async closeStore(): Promise<void> {}

  async #attempt<Result>(
    operation: StoreOperation,
    run: (operation: StoreOperation) => Promise<Result>,
  ): Promise<Result> {
    try {
      return await run(operation)
    } catch (error) {
      this.#directories.forget()
      throw fileStoreError(operation, error)
    }
  }

  async #read(key: string, operation: StoreOperation): Promise<StoredObject | null> {
    for (let attempt = 1; ; attempt++) {
      const body = await readIfThere(`${this.#root}/${key}`)
      if (body === null) {
        await this.#checkRoot(operation)
        return null
      }
      const text = await readIfThere(metadataPath(this.#root, key, await sha256Hex(body)))
      if (text !== null) {
        const metadata = parseMetadata(text)
        if (metadata !== null) return { info: { key, size: body.length, metadata }, body }
      }
      // An object that is being removed or replaced is without metadata for a moment.
      if (attempt < READ_ATTEMPTS) await sleep(READ_DELAY_MS)
      else break
    }
    throw operationFailed(
      operation,
      'no metadata belong to its bytes: it was damaged, or copied without them',
      {
        code: 'STORE_CORRUPT',
        hint: 'bring the file back from another copy, together with its companion below .metadata',
      },
    )
  }

  /** The name may have been given a moment ago by a process that has not synced it yet. */
  async #alreadyThere(path: string): Promise<'exists'> {
    await syncDirectory(dirname(path))
    return 'exists'
  }

  async #writeTemporary(path: string, body: Buffer): Promise<void> {
    await this.#directories.ensure(dirname(path))
    const file = await nodeFileSystem.open(
      path,
      constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL,
      FILE_MODE,
    )
    try {
      await writeFully(file, [body], 0)
      await file.sync()
    } finally {
      await file.close()
    }
  }

  async #writeMetadata(
    key: string,
    digest: string,
    metadata: Readonly<Record<string, string>>,
  ): Promise<void> {
    const path = metadataPath(this.#root, key, digest)
    await this.#directories.ensure(dirname(path))
    await writeFileDurably(path, Buffer.from(`${JSON.stringify({ sha256: digest, metadata })}\n`), {
      mode: FILE_MODE,
      temporaryName: `.${basename(temporaryPath(this.#root))}.tmp`,
    })
  }

  async #removeMetadata(key: string, digest: string, butNotOf = ''): Promise<void> {
    if (digest !== butNotOf) await unlink(metadataPath(this.#root, key, digest)).catch(ignoreMissing)
  }

  /** Returns false when the name is taken. */
  async #giveName(temporary: string, path: string): Promise<boolean> {
    if (this.#linksWork) {
      try {
        await link(temporary, path)
        return true
      } catch (error) {
        const errno = errnoOf(error) ?? ''
        // Over NFS an answer can get lost and the repeated call then meets the link of the first.
        if (errno === 'EEXIST') return isSameFile(temporary, path)
        if (!NO_LINKS.has(errno)) throw error
        this.#linksWork = false
      }
    }
    if (await isThere(path)) return false
    await rename(temporary, path)
    return true
  }

  async #checkRoot(operation: StoreOperation): Promise<void> {
    if ((await identityOf(this.#root)) === this.#rootIdentity) return
    throw operationFailed(operation, 'the directory is gone or is another one than at the start', {
      code: 'STORE_UNREACHABLE',
      hint: 'check that the file system is mounted, then start walship again',
    })
  }

  async #cleanOnce(): Promise<void> {
    if (this.#cleaned) return
    this.#cleaned = true
    await removeStaleTemporaries(this.#root, Date.now())
  }
}

/** @returns null for what was not written here */
function parseMetadata(text: Buffer): Readonly<Record<string, string>> | null {
  try {
    const { metadata } = JSON.parse(text.toString('utf8')) as { metadata: unknown }
    if (typeof metadata !== 'object' || metadata === null || Array.isArray(metadata)) return null
    return Object.values(metadata).every((value) => typeof value === 'string')
      ? (metadata as Record<string, string>)
      : null
  } catch {
    return null
  }
}
