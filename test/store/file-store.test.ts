import { spawnSync } from 'node:child_process'
import {
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { syncObjectDirectories } from '../../src/store/file-store-paths.js'
import { type ObjectStore, openStore } from '../../src/store/index.js'

const CREATE = { kind: 'wal', ifAbsent: true } as const

describe('file store', () => {
  let parent: string
  let root: string
  let store: ObjectStore

  beforeEach(async () => {
    parent = await mkdtemp(join(tmpdir(), 'walship-file-'))
    root = join(parent, 'archive')
    await mkdir(root)
    store = await openStore(`file://${root}`)
  })
  afterEach(async () => {
    await store.close()
    await rm(parent, { recursive: true, force: true })
  })

  it('can sync the names that a killed writer may have given and not synced', async () => {
    await store.put('wal/00000001/x.lz4', Buffer.from('bytes'), { ...CREATE, metadata: { a: 'b' } })
    await store.put('tail/00000001/y/z', Buffer.from('more'), CREATE)
    const synced: string[] = []
    await syncObjectDirectories(root, async (path) => {
      synced.push(path.slice(root.length))
    })
    expect(synced).toEqual(
      expect.arrayContaining(['/wal/00000001', '/tail/00000001/y', '/.metadata/wal/00000001']),
    )
    expect(synced.at(-1)).toBe('')
    // The real one, and when there is nothing any more.
    await store.settle()
    await rm(root, { recursive: true })
    await expect(store.settle()).rejects.toMatchObject({ code: expect.stringMatching(/^STORE_/) })
  })

  it('holds each object as a plain file, for its owner only', async () => {
    await store.put('wal/00000001/x.lz4', Buffer.from('bytes'), { ...CREATE, metadata: { a: 'b' } })
    const path = join(root, 'wal/00000001/x.lz4')
    expect(await readFile(path, 'utf8')).toBe('bytes')
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    expect((await stat(join(root, 'wal'))).mode & 0o777).toBe(0o700)
    expect((await readdir(root)).sort()).toEqual(['.metadata', '.tmp', 'wal'])
    expect(await readdir(join(root, '.tmp'))).toEqual([])
  })

  it('leaves nothing behind when an object is removed', async () => {
    await store.put('k', Buffer.from('1'), CREATE)
    await store.put('k', Buffer.from('2'), { ...CREATE, ifAbsent: false })
    await store.delete(['k'])
    expect(await readdir(join(root, '.metadata'))).toEqual([])
    expect((await readdir(root)).sort()).toEqual(['.metadata', '.tmp'])
  })

  it('opens what spaces and percent signs in the URL mean', async () => {
    await mkdir(join(parent, 'a b%20c'))
    const other = await openStore(`file://${parent}/a%20b%2520c`)
    expect(other.name).toBe(`file://${parent}/a b%20c`)
    await other.close()
  })

  it('is never made: a missing mount must be noticed', async () => {
    const missing = expect.objectContaining({ code: 'STORE_NO_BUCKET' })
    await expect(openStore(`file://${parent}/none`)).rejects.toEqual(missing)
    await writeFile(join(parent, 'file'), '')
    await expect(openStore(`file://${parent}/file`)).rejects.toEqual(missing)
    await expect(openStore(`file://${parent}/file/below`)).rejects.toEqual(missing)
  })

  it('says nothing is missing once its directory is gone or another one', async () => {
    await store.put('k', Buffer.from('1'), CREATE)
    const lost = expect.objectContaining({ code: 'STORE_UNREACHABLE', retryable: true })
    await rename(root, `${root}.away`)
    for (let round = 0; round < 2; round++) {
      await expect(store.get('k')).rejects.toEqual(lost)
      await expect(store.head('k')).rejects.toEqual(lost)
      await expect(store.put('k', Buffer.from('2'), CREATE)).rejects.toEqual(lost)
      await expect(store.delete(['k'])).rejects.toEqual(lost)
      await expect(store.list('')[Symbol.asyncIterator]().next()).rejects.toMatchObject({
        code: 'STORE_UNREACHABLE',
      })
      // An empty mount point in its place.
      if (round === 0) await mkdir(root)
    }
    expect(await readdir(root)).toEqual([])
    await rm(root, { recursive: true })
    await rename(`${root}.away`, root)
    expect((await store.get('k'))?.body.toString()).toBe('1')
  })

  it('finds out that bytes were changed', async () => {
    await store.put('k', Buffer.from('before'), CREATE)
    await writeFile(join(root, 'k'), 'after')
    const corrupt = expect.objectContaining({ code: 'STORE_CORRUPT' })
    await expect(store.get('k')).rejects.toEqual(corrupt)
    await expect(store.head('k')).rejects.toEqual(corrupt)
    expect(await store.put('k', Buffer.from('before'), CREATE)).toBe('exists')
  })

  it('finishes what a process left that died before it gave the name', async () => {
    await store.put('k', Buffer.from('same'), { ...CREATE, metadata: { n: '1' } })
    // Metadata are there, and the object is not.
    await rm(join(root, 'k'))
    expect(await store.get('k')).toBeNull()
    expect(await store.put('k', Buffer.from('same'), { ...CREATE, metadata: { n: '2' } })).toBe('created')
    expect((await store.head('k'))?.metadata).toEqual({ n: '2' })
    await rm(join(root, 'k'))
    expect(await store.put('k', Buffer.from('other'), { ...CREATE, metadata: { n: '3' } })).toBe('created')
    expect((await store.head('k'))?.metadata).toEqual({ n: '3' })
  })

  it('removes what is left on its way in for more than a day', async () => {
    await store.put('k', Buffer.from('1'), CREATE)
    const [old, young] = ['old', 'young'].map((name) => join(root, '.tmp', name))
    for (const path of [old!, young!]) await writeFile(path, 'x')
    const longAgo = Date.now() / 1000 - 90_000
    await utimes(old!, longAgo, longAgo)
    const next = await openStore(`file://${root}`)
    await next.put('k2', Buffer.from('1'), CREATE)
    await next.close()
    expect(await readdir(join(root, '.tmp'))).toEqual(['young'])
  })

  it('tells a full disk and missing rights from other trouble', async () => {
    if (process.getuid?.() !== 0) {
      await chmod(root, 0o500)
      await expect(store.put('k', Buffer.from('1'), CREATE)).rejects.toMatchObject({
        code: 'STORE_DENIED',
        retryable: true,
      })
      await chmod(root, 0o700)
      return
    }
    // As root, rights do not bind: a file system of one page does as well.
    const small = join(parent, 'small')
    await mkdir(small)
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'none', small])
    if (mounted.status !== 0) {
      console.warn('SKIPPED: mount is not allowed here, so no full disk')
      return
    }
    try {
      const full = await openStore(`file://${small}`)
      await expect(full.put('k', Buffer.alloc(200_000), CREATE)).rejects.toMatchObject({
        code: 'STORE_FULL',
        retryable: true,
        message: expect.stringContaining('No space left on device'),
      })
      expect(await full.get('k')).toBeNull()
      expect(await full.put('k', Buffer.alloc(1000), CREATE)).toBe('created')
      await full.close()
    } finally {
      spawnSync('umount', [small])
    }
  })
})
