import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { FilePieces } from '../../src/verify/file-pieces.js'

async function fileOf(bytes: Buffer): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'walship-pieces-'))
  onTestFinished(() => rm(directory, { recursive: true }))
  await writeFile(join(directory, 'file'), bytes)
  return join(directory, 'file')
}

it('gives a file in pieces, and then nothing', async () => {
  const bytes = Buffer.from(Array.from({ length: 700_001 }, (_, at) => at % 251))
  using pieces = new FilePieces(await fileOf(bytes), FilePieces.memory())
  expect(pieces.size).toBe(bytes.length)
  const found: Buffer[] = []
  for (let piece = pieces.next(); piece.length > 0; piece = pieces.next()) found.push(Buffer.from(piece))
  expect(found.length).toBeGreaterThan(2)
  expect(Buffer.concat(found).equals(bytes)).toBe(true)
  expect(pieces.position).toBe(bytes.length)
})

it('ends where a file was cut after it was opened', async () => {
  const path = await fileOf(Buffer.alloc(700_000, 1))
  using pieces = new FilePieces(path, FilePieces.memory())
  await truncate(path, 300_000)
  let length = 0
  for (let piece = pieces.next(); piece.length > 0; piece = pieces.next()) length += piece.length
  expect([length, pieces.position, pieces.size]).toEqual([300_000, 300_000, 700_000])
})

it('throws what the system says', async () => {
  expect(() => new FilePieces('/nowhere/at/all', FilePieces.memory())).toThrow('ENOENT')
  using pieces = new FilePieces(tmpdir(), FilePieces.memory())
  expect(() => pieces.next()).toThrow('EISDIR')
})
