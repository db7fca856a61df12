import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { findPassword, passfileHost, readPassfile } from '../../src/pg/passfile.js'

const query = { host: 'db1', port: '5432', database: 'replication', user: 'backup' }

describe('the lines of a password file', () => {
  it.each([
    ['db1:5432:replication:backup:right', 'right'],
    ['*:*:*:*:right', 'right'],
    ['db2:5432:replication:backup:wrong\ndb1:*:replication:backup:right', 'right'],
    ['# db1:5432:replication:backup:wrong\n\ndb1:5432:replication:backup:right\r\n', 'right'],
    ['db1:5432:replication:backup:first\ndb1:5432:replication:backup:second', 'first'],
    ['db1:5432:replication:backup:with\\:colon\\\\and:more', 'with:colon\\and:more'],
    ['d\\b1:5432:replication:backup:right', 'right'],
    ['db1:5432:replication:backup:', ''],
    ['db1:5432:postgres:backup:wrong', null],
    ['db:5432:replication:backup:wrong', null],
    ['db11:5432:replication:backup:wrong', null],
    ['db*:5432:replication:backup:wrong', null],
    ['db1:5432:replication', null],
    ['', null],
  ])('%j', (text, password) => {
    expect(findPassword(text, query)).toBe(password)
  })

  it('match an escaped host name such as an IPv6 address', () => {
    expect(findPassword('\\:\\:1:*:*:*:right', { ...query, host: '::1' })).toBe('right')
  })

  it('call the default socket directory localhost, and no other', () => {
    expect(passfileHost('/var/run/postgresql')).toBe('localhost')
    expect(passfileHost('/tmp')).toBe('localhost')
    expect(passfileHost('')).toBe('localhost')
    expect(passfileHost('/srv/sockets')).toBe('/srv/sockets')
    expect(passfileHost('db1')).toBe('db1')
  })
})

describe('the file itself', () => {
  let folder: string
  let file: string
  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'walship-passfile-'))
    file = path.join(folder, 'pgpass')
    writeFileSync(file, '*:*:*:*:right\n', { mode: 0o600 })
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  const read = (name: string) => {
    const warnings: string[] = []
    return { password: readPassfile(name, query, (text) => warnings.push(text)), warnings }
  }

  it('is read when it is private', () => {
    expect(read(file)).toEqual({ password: 'right', warnings: [] })
  })

  it.each([0o640, 0o604, 0o660, 0o610])('is not used with mode %o, and that is said', (mode) => {
    chmodSync(file, mode)
    expect(read(file)).toEqual({
      password: null,
      warnings: [
        `password file "${file}" has group or world access; permissions should be u=rw (0600) or less`,
      ],
    })
  })

  it('must be a plain file', () => {
    const directory = path.join(folder, 'directory')
    mkdirSync(directory)
    expect(read(directory)).toEqual({
      password: null,
      warnings: [`password file "${directory}" is not a plain file`],
    })
  })

  it('may be missing', () => {
    expect(read(path.join(folder, 'nope'))).toEqual({ password: null, warnings: [] })
  })
})
