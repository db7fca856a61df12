import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { DamageNotes } from '../../src/cli/damage-notes.js'

const SEGMENT = '000000010000000000000007'

describe('notes of damage', () => {
  const directory = mkdtempSync(join(tmpdir(), 'walship-notes-'))
  afterAll(() => rmSync(directory, { recursive: true, force: true }))

  it('outlive the process, until the segment is archived', () => {
    new DamageNotes(directory).add(SEGMENT, 'checksum 0/7000028')
    const [file] = readdirSync(directory)
    expect(file).toBe(`.${SEGMENT}.wal-check`)
    expect(statSync(join(directory, file!)).mode & 0o777).toBe(0o600)
    const later = new DamageNotes(directory)
    expect(later.of(SEGMENT)).toBe('checksum 0/7000028')
    later.remove(SEGMENT)
    expect(later.of(SEGMENT)).toBeUndefined()
    expect(readdirSync(directory)).toEqual([])
    later.remove(SEGMENT)
  })

  it('say that there was damage also when a crash cut them short', () => {
    writeFileSync(join(directory, `.${SEGMENT}.wal-check`), '')
    expect(new DamageNotes(directory).of(SEGMENT)).toBe('unknown')
  })

  it('last as long as the process where they cannot be written', () => {
    const notes = new DamageNotes(join(directory, 'nowhere'))
    notes.add(SEGMENT, 'checksum 0/7000028')
    expect(notes.of(SEGMENT)).toBe('checksum 0/7000028')
  })
})
