import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ListedObject, ObjectStore, PutOptions } from '../../src/store/index.js'

export interface StoreFixture {
  readonly store: ObjectStore
  /** A second way in to the same objects, as another process has it; null where there is none. */
  readonly second: ObjectStore | null
  dispose(): Promise<void>
}

const CREATE: PutOptions = { kind: 'wal', ifAbsent: true }
const REPLACE: PutOptions = { kind: 'wal', ifAbsent: false }

async function keysOf(objects: AsyncIterable<ListedObject>): Promise<string[]> {
  const keys: string[] = []
  for await (const { key } of objects) keys.push(key)
  return keys
}

/**
 * What every object store has to do. Run it on each implementation.
 *
 * @param open a store with nothing in it
 */
export function describeObjectStore(name: string, open: () => Promise<StoreFixture>): void {
  describe(`object store contract: ${name}`, () => {
    let fixture: StoreFixture
    let store: ObjectStore

    beforeEach(async () => {
      fixture = await open()
      store = fixture.store
    })
    afterEach(async () => {
      await store.close()
      await fixture.second?.close()
      await fixture.dispose()
    })

    describe('put and get', () => {
      it.each([0, 1, 1000, 300_000])('gives %i bytes back as they were', async (size) => {
        const body = randomBytes(size)
        expect(await store.put('wal/a', body, CREATE)).toBe('created')
        const got = await store.get('wal/a')
        expect(got?.info).toEqual({ key: 'wal/a', size, metadata: {} })
        expect(got?.body.equals(body)).toBe(true)
      })

      it('keeps metadata', async () => {
        const metadata = { sha256: 'ab'.repeat(32), 'raw-length': '16777216', note: 'a b; c="d"' }
        await store.put('k', Buffer.from('x'), { ...CREATE, metadata })
        expect((await store.get('k'))?.info.metadata).toEqual(metadata)
        expect(await store.head('k')).toEqual({ key: 'k', size: 1, metadata })
      })

      it('does not keep hold of the body it was given', async () => {
        const body = Buffer.from('before')
        await store.put('k', body, CREATE)
        body.write('after!')
        expect((await store.get('k'))?.body.toString()).toBe('before')
      })

      it('leaves an object alone with ifAbsent', async () => {
        await store.put('k', Buffer.from('first'), { ...CREATE, metadata: { n: '1' } })
        expect(await store.put('k', Buffer.from('second'), { ...CREATE, metadata: { n: '2' } })).toBe(
          'exists',
        )
        expect(await store.put('k', Buffer.from('first'), { ...CREATE, metadata: { n: '3' } })).toBe('exists')
        const got = await store.get('k')
        expect(got?.body.toString()).toBe('first')
        expect(got?.info.metadata).toEqual({ n: '1' })
      })

      it('replaces an object without ifAbsent', async () => {
        await store.put('k', Buffer.from('first'), { ...CREATE, metadata: { n: '1' } })
        expect(await store.put('k', Buffer.from('second'), { ...REPLACE, metadata: { n: '2' } })).toBe(
          'created',
        )
        expect((await store.get('k'))?.body.toString()).toBe('second')
        expect((await store.head('k'))?.metadata).toEqual({ n: '2' })
        await store.put('k', Buffer.from('second'), { ...REPLACE, metadata: { n: '3' } })
        expect((await store.head('k'))?.metadata).toEqual({ n: '3' })
      })

      it('lets exactly one of many writers create', async () => {
        const stores = [store, fixture.second ?? store]
        const answers = await Promise.all(
          Array.from({ length: 16 }, (_, i) => stores[i % 2]!.put('k', Buffer.from(`writer ${i}`), CREATE)),
        )
        if (store.features.createOnly)
          expect(answers.filter((answer) => answer === 'created')).toHaveLength(1)
        const winner = answers.indexOf('created')
        if (store.features.createOnly)
          expect((await store.get('k'))?.body.toString()).toBe(`writer ${winner}`)
      })

      it('reads parts', async () => {
        await store.put('k', Buffer.from('0123456789'), CREATE)
        const read = async (offset?: number, length?: number) => {
          const got = await store.get('k', { offset, length })
          expect(got?.info.size).toBe(10)
          return got?.body.toString()
        }
        expect(await read(3)).toBe('3456789')
        expect(await read(0, 4)).toBe('0123')
        expect(await read(3, 4)).toBe('3456')
        expect(await read(8, 100)).toBe('89')
        expect(await read(10)).toBe('')
        expect(await read(11, 5)).toBe('')
        expect(await read(2, 0)).toBe('')
      })

      it('says null for what is not there', async () => {
        expect(await store.get('wal/none')).toBeNull()
        expect(await store.get('wal/none', { offset: 5, length: 0 })).toBeNull()
        expect(await store.head('wal/none')).toBeNull()
      })

      it('is seen by others at once', async () => {
        if (fixture.second === null) return
        await store.put('a/b', Buffer.from('x'), CREATE)
        expect((await fixture.second.get('a/b'))?.body.toString()).toBe('x')
        expect(await keysOf(fixture.second.list(''))).toEqual(['a/b'])
        await fixture.second.delete(['a/b'])
        expect(await store.get('a/b')).toBeNull()
      })
    })

    describe('list', () => {
      const KEYS = ['a', 'b.x', 'b/1', 'b/2', 'b/2.lz4', 'b/20', 'b/c/1', 'b0', 'c/Z', 'c/a']

      beforeEach(async () => {
        for (const key of [...KEYS].reverse()) await store.put(key, Buffer.from(key), CREATE)
      })

      it('is in the order of the keys, with sizes', async () => {
        expect(await keysOf(store.list(''))).toEqual(KEYS)
        for await (const { key, size } of store.list('')) expect(size).toBe(key.length)
      })

      it.each(['b', 'b/', 'b/2', 'c/a', 'nothing', 'b/c/'])('finds prefix %j', async (prefix) => {
        expect(await keysOf(store.list(prefix))).toEqual(KEYS.filter((key) => key.startsWith(prefix)))
      })

      it.each(['', 'a', 'b', 'b/', 'b/1', 'b/2', 'b/2~', 'b/c', 'b/zzz', 'c/a', 'z'])(
        'goes on behind %j',
        async (after) => {
          expect(await keysOf(store.list('', { after }))).toEqual(KEYS.filter((key) => key > after))
          expect(await keysOf(store.list('b/', { after }))).toEqual(
            KEYS.filter((key) => key > after && key.startsWith('b/')),
          )
        },
      )

      it('goes through pages of any size', async () => {
        for (const pageSize of [1, 2, 3, 10]) expect(await keysOf(store.list('', { pageSize }))).toEqual(KEYS)
      })

      it('can be left early', async () => {
        for await (const { key } of store.list('b/', { pageSize: 1 })) {
          expect(key).toBe('b/1')
          break
        }
      })
    })

    describe('delete', () => {
      it('removes objects, and does not mind missing ones', async () => {
        const keys = Array.from({ length: 20 }, (_, i) => `tail/${i}`)
        await Promise.all(keys.map((key) => store.put(key, Buffer.from(key), { ...CREATE, kind: 'tail' })))
        await store.delete([...keys.slice(0, 19), 'tail/none'])
        expect(await keysOf(store.list(''))).toEqual(['tail/19'])
        await store.delete(keys)
        await store.delete([])
        expect(await store.head('tail/19')).toBeNull()
      })

      it('frees the name', async () => {
        await store.put('k', Buffer.from('same'), CREATE)
        await store.delete(['k'])
        expect(await store.put('k', Buffer.from('same'), { ...CREATE, metadata: { n: '2' } })).toBe('created')
        expect((await store.get('k'))?.info.metadata).toEqual({ n: '2' })
      })
    })

    describe('arguments', () => {
      it.each([
        '',
        '/a',
        'a/',
        'a//b',
        '.',
        '../a',
        'a/../b',
        'a/.b',
        'a b',
        'a\\b',
        'ä',
        'a\n',
        'x'.repeat(600),
      ])('refuses key %j', async (key) => {
        await expect(store.put(key, Buffer.from('x'), CREATE)).rejects.toThrow(TypeError)
        await expect(store.get(key)).rejects.toThrow(TypeError)
        await expect(store.head(key)).rejects.toThrow(TypeError)
        await expect(store.delete([key])).rejects.toThrow(TypeError)
      })

      it.each([
        { Upper: 'x' },
        { 'a b': 'x' },
        { a: 'ä' },
        { a: 'x\ny' },
        { a: ' x' },
        { a: '' },
        { a: 'x'.repeat(2001) },
      ])('refuses metadata %j', async (metadata) => {
        await expect(
          store.put('k', Buffer.from('x'), {
            ...CREATE,
            metadata: metadata as unknown as Record<string, string>,
          }),
        ).rejects.toThrow(TypeError)
        expect(await store.head('k')).toBeNull()
      })

      it('refuses ranges that make no sense', async () => {
        await expect(store.get('k', { offset: -1 })).rejects.toThrow(RangeError)
        await expect(store.get('k', { length: 0.5 })).rejects.toThrow(RangeError)
      })

      it('takes the largest metadata it promises', async () => {
        const metadata = { a: 'x'.repeat(1999) }
        await store.put('k', Buffer.from('x'), { ...CREATE, metadata })
        expect((await store.head('k'))?.metadata).toEqual(metadata)
      })
    })

    describe('a signal', () => {
      it('that is aborted lets nothing begin', async () => {
        const reason = new Error('enough')
        const signal = AbortSignal.abort(reason)
        await expect(store.put('k', Buffer.from('x'), { ...CREATE, signal })).rejects.toBe(reason)
        await expect(store.get('k', { signal })).rejects.toBe(reason)
        await expect(store.head('k', { signal })).rejects.toBe(reason)
        await expect(keysOf(store.list('', { signal }))).rejects.toBe(reason)
        await expect(store.delete(['k'], { signal })).rejects.toBe(reason)
        expect(await store.head('k')).toBeNull()
      })

      it('that aborts later ends a put with its reason, all or nothing', async () => {
        const controller = new AbortController()
        const reason = new Error('enough')
        const body = randomBytes(4 * 1024 * 1024)
        const put = store.put('k', body, { ...CREATE, signal: controller.signal })
        setImmediate(() => controller.abort(reason))
        const outcome = await put.catch((error) => error)
        expect(['created', reason]).toContain(outcome)
        const got = await store.get('k')
        if (got !== null) expect(got.body.equals(body)).toBe(true)
      })

      it('ends a list between pages', async () => {
        for (const key of ['a', 'b', 'c']) await store.put(key, Buffer.from('x'), CREATE)
        const controller = new AbortController()
        const reason = new Error('enough')
        const list = async () => {
          for await (const _ of store.list('', { pageSize: 1, signal: controller.signal }))
            controller.abort(reason)
        }
        await expect(list()).rejects.toBe(reason)
      })
    })

    describe('close', () => {
      it('lets nothing begin any more', async () => {
        const closed = expect.objectContaining({ code: 'STORE_CLOSED', retryable: false })
        await store.close()
        await store.close()
        await expect(store.put('k', Buffer.from('x'), CREATE)).rejects.toEqual(closed)
        await expect(store.get('k')).rejects.toEqual(closed)
        await expect(store.head('k')).rejects.toEqual(closed)
        await expect(keysOf(store.list(''))).rejects.toEqual(closed)
        await expect(store.delete(['k'])).rejects.toEqual(closed)
      })

      it('waits for what is under way', async () => {
        const put = store.put('k', randomBytes(100_000), CREATE)
        let done = false
        void put.then(() => {
          done = true
        })
        await store.close()
        expect(done).toBe(true)
        expect(await put).toBe('created')
        if (fixture.second !== null) expect((await fixture.second.head('k'))?.size).toBe(100_000)
      })
    })
  })
}
