import { describe, expect, it } from 'vitest'
import { parseWalFileName } from '../../src/restore/wal-file-name.js'

describe('the names a restore_command is asked for', () => {
  it.each([
    ['000000010000000000000001', 'segment', 1],
    ['0000000A00000001000000FF', 'segment', 10],
    ['000000010000000000000001.partial', 'partial', 1],
    ['00000002.history', 'history', 2],
    ['000000010000000000000002.00000028.backup', 'backup', 1],
  ])('%s is a %s', (name, kind, timeline) => {
    expect(parseWalFileName(name)).toEqual({ kind, name, timeline })
  })

  it.each([
    '',
    'pg_wal/RECOVERYXLOG',
    '00000001000000000000000a',
    '00000001000000000000001',
    '0000000100000000000000011',
    '000000010000000000000001.gz',
    '000000010000000000000001.partial.gz',
    '00000001.history.tmp',
    '000000000000000000000001',
    '00000000.history',
    ' 00000001.history',
    '00000001.history\n',
  ])('%j is none of them', (name) => {
    expect(parseWalFileName(name)).toBeNull()
  })
})
