/** A compressed partial whose end is garbage that decodes, as a power cut can leave it. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { createCompressor, parseCompression } from '../../src/codec/index.js'
import { noise } from '../codec/sample-data.js'
import { walByteAt } from './known-wal.js'
import { ObservedFileSystem } from './observed-file-system.js'
import {
  contentOf,
  lsnOf,
  namesIn,
  openWriter,
  segment,
  temporaryDirectory,
} from './wal-directory-fixture.js'

const GOOD = 100_000

async function packed(method: string, content: Buffer): Promise<Buffer> {
  const parts: Buffer[] = []
  const compressor = createCompressor(parseCompression(method), async (chunks) => void parts.push(...chunks))
  await compressor.write([content])
  await compressor.end()
  compressor.destroy()
  return Buffer.concat(parts)
}

it.each([
  ['gzip:1', '.gz'],
  ['lz4', '.lz4'],
])('does not stand for what comes anew (%s)', async (method, extension) => {
  const directory = temporaryDirectory()
  const name = `${segment(1)}${extension}.partial`
  const garbage = Buffer.concat([walByteAt(lsnOf(1), GOOD), noise(500_000)])
  writeFileSync(join(directory, name), await packed(method, garbage))

  const writer = await openWriter(directory, { compression: parseCompression(method) })
  const wal = walByteAt(lsnOf(1), 2 * GOOD)
  for (let at = 0; at < wal.length; at += 30_000)
    await writer.write(lsnOf(1, at), [wal.subarray(at, at + 30_000)], true)
  expect(writer.flushed).toBe(lsnOf(1, 2 * GOOD))
  await writer.close()
  expect(namesIn(directory)).toEqual([name])
  expect((await contentOf(directory, name)).equals(wal)).toBe(true)
})

it.each([
  ['gzip:1', '.gz'],
  ['lz4', '.lz4'],
])('that is right is kept until as much has come (%s)', async (method, extension) => {
  const directory = temporaryDirectory()
  const name = `${segment(1)}${extension}.partial`
  const held = walByteAt(lsnOf(1), 3 * GOOD)
  writeFileSync(join(directory, name), await packed(method, held))

  const writer = await openWriter(directory, { compression: parseCompression(method) })
  await writer.write(lsnOf(1), [held.subarray(0, GOOD)], true)
  await writer.write(lsnOf(1, GOOD), [held.subarray(GOOD, 2 * GOOD)], true)
  expect(writer.flushed).toBe(lsnOf(1, 2 * GOOD))
  await writer.close()
  expect((await contentOf(directory, name)).equals(held)).toBe(true)
})

it('that cannot be read is kept, and ends the writing', async () => {
  const directory = temporaryDirectory()
  const name = `${segment(1)}.lz4.partial`
  const held = noise(3 * GOOD)
  writeFileSync(join(directory, name), await packed('lz4', held))

  const files = new ObservedFileSystem()
  let syncs = 0
  // Once it was opened, looked through and synced.
  files.react = ({ kind }) => {
    if (kind === 'sync') syncs += 1
    return kind === 'read' && syncs > 1 ? 'EIO' : undefined
  }
  const writer = await openWriter(directory, { files, compression: parseCompression('lz4') })
  await expect(writer.write(lsnOf(1), [held.subarray(0, GOOD)], true)).rejects.toThrow('Input/output error')
  await writer.close()
  expect(writer.flushed).toBe(lsnOf(1))
  expect((await contentOf(directory, name)).equals(held)).toBe(true)
})
