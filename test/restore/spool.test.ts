import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { Spool } from '../../src/restore/index.js'
import { SYSTEM_IDENTIFIER, segmentBytes, segmentNamed } from './known-segments.js'
import { testFolder } from './test-folder.js'

const NAME = segmentNamed(1)

let spool: Spool
let target: string

beforeEach(() => {
  spool = new Spool(join(testFolder(), 'a'))
  spool.create()
  target = join(testFolder(), 'RECOVERYXLOG')
})

describe('taking a segment from the spool', () => {
  it('moves it to its target', () => {
    writeFileSync(spool.path(NAME), segmentBytes(NAME))
    expect(spool.take(NAME, target, SYSTEM_IDENTIFIER)).toBe(true)
    expect(readFileSync(target).equals(segmentBytes(NAME))).toBe(true)
    expect(spool.segments()).toEqual([])
    expect(spool.take(NAME, target, SYSTEM_IDENTIFIER)).toBe(false)
  })

  it('says that it is not here', () => {
    expect(spool.take(NAME, target, null)).toBe(false)
    expect(new Spool('/nowhere/at/all').take(NAME, target, null)).toBe(false)
  })

  it.each([
    ['short', segmentBytes(NAME).subarray(0, 4096)],
    ['empty', Buffer.alloc(0)],
    ['another one', segmentBytes(segmentNamed(2))],
    ['of another cluster', segmentBytes(NAME, 5n)],
  ])('never serves one that is %s, and drops it', (_what, bytes) => {
    writeFileSync(spool.path(NAME), bytes)
    expect(spool.take(NAME, target, SYSTEM_IDENTIFIER)).toBe(false)
    expect(existsSync(target)).toBe(false)
    expect(spool.has(NAME)).toBe(false)
  })

  it('does not take an unfinished one for finished', () => {
    writeFileSync(spool.path(spool.unfinishedName(NAME, 1)), segmentBytes(NAME))
    expect(spool.take(NAME, target, null)).toBe(false)
    expect(spool.segments()).toEqual([])
    expect(spool.isBeingFetched(NAME)).toBe(true)
    expect(spool.isBeingFetched(segmentNamed(2))).toBe(false)
  })

  it('keeps it when the target cannot be written', () => {
    writeFileSync(spool.path(NAME), segmentBytes(NAME))
    expect(() => spool.take(NAME, '/nowhere/at/all', null)).toThrow(/ENOENT/)
    expect(spool.segments()).toEqual([NAME])
  })

  const otherDisk = '/dev/shm'
  const isOtherDisk = existsSync(otherDisk) && statSync(otherDisk).dev !== statSync('/tmp').dev
  it.skipIf(!isOtherDisk)('copies it to another file system', () => {
    const folder = mkdtempSync(join(otherDisk, 'walship-restore-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    target = join(folder, 'RECOVERYXLOG')
    writeFileSync(spool.path(NAME), segmentBytes(NAME), { mode: 0o600 })
    expect(spool.take(NAME, target, null)).toBe(true)
    expect(readFileSync(target).equals(segmentBytes(NAME))).toBe(true)
    expect(statSync(target).mode & 0o777).toBe(0o600)
    expect(readdirSync(folder)).toEqual(['RECOVERYXLOG'])
    expect(spool.segments()).toEqual([])
  })
})

describe('the spool', () => {
  it('is made with the folder it is in, and no other', () => {
    const folder = testFolder()
    new Spool(join(folder, 'a/b')).create()
    new Spool(join(folder, 'a/b')).create()
    expect(statSync(join(folder, 'a/b')).mode & 0o777).toBe(0o700)
    expect(() => new Spool(join(folder, 'x/y/z')).create()).toThrow(/ENOENT/)
    expect(readdirSync(folder)).toEqual(['a'])
  })

  it('knows what was asked for last', () => {
    expect(spool.lastAsked()).toBeNull()
    spool.noteAsked(NAME)
    expect(spool.lastAsked()).toBe(NAME)
    writeFileSync(spool.path('asked'), NAME.slice(0, 7))
    expect(spool.lastAsked()).toBeNull()
  })

  it('removes what others left unfinished, and nothing else', () => {
    for (const owner of [7, 8]) writeFileSync(spool.path(spool.unfinishedName(NAME, owner)), '')
    writeFileSync(spool.path(NAME), '')
    spool.removeUnfinished(7)
    expect(readdirSync(spool.directory).sort()).toEqual([NAME, spool.unfinishedName(NAME, 7)])
  })
})
