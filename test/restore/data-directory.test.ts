import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { controlFileFor, readSystemIdentifier } from '../../src/restore/index.js'
import { testFolder } from './test-folder.js'

function dataDirectory(content: Uint8Array = new Uint8Array(new BigUint64Array([42n, 1n]).buffer)): string {
  const folder = join(testFolder(), 'data')
  mkdirSync(join(folder, 'global'), { recursive: true })
  writeFileSync(join(folder, 'global/pg_control'), content)
  return folder
}

function systemIdentifierFor(target: string, workingDirectory: string): bigint | null {
  return readSystemIdentifier(controlFileFor(target, workingDirectory))
}

describe('the cluster that a target belongs to', () => {
  it('is found as the server asks, and as pg_rewind asks', () => {
    const folder = dataDirectory()
    expect(systemIdentifierFor('pg_wal/RECOVERYXLOG', folder)).toBe(42n)
    expect(systemIdentifierFor(join(folder, 'pg_wal/x'), '/')).toBe(42n)
  })

  it('is found when pg_wal is a link to another place', () => {
    const folder = dataDirectory()
    symlinkSync(testFolder(), join(folder, 'pg_wal'))
    expect(systemIdentifierFor('pg_wal/RECOVERYXLOG', folder)).toBe(42n)
  })

  it('is not known outside of a data directory', () => {
    expect(systemIdentifierFor('x/y', testFolder())).toBeNull()
    expect(systemIdentifierFor('/x', '/')).toBeNull()
  })

  it('cannot be told when the control file cannot be read', () => {
    const folder = dataDirectory(new Uint8Array(7))
    expect(() => systemIdentifierFor('pg_wal/RECOVERYXLOG', folder)).toThrow(RangeError)
  })
})
