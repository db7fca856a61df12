import { describe, expect, it } from 'vitest'
import { parseConnectionString } from '../../src/pg/conninfo.js'
import { UsageError } from '../../src/pg/errors.js'

const parsed = (text: string) => Object.fromEntries(parseConnectionString(text))

describe('a connection string of keywords and values', () => {
  it.each([
    ['host=a user=b', { host: 'a', user: 'b' }],
    ['  host = a\tport\n=\n1 ', { host: 'a', port: '1' }],
    ["host='a b' user=b", { host: 'a b', user: 'b' }],
    ["host='a\\'b'", { host: "a'b" }],
    ["password='a\\\\b'", { password: 'a\\b' }],
    ['host=a\\ b', { host: 'a b' }],
    ['password=a\\', { password: 'a' }],
    ['user=a=b', { user: 'a=b' }],
    ["user=a'b", { user: "a'b" }],
    ["host='a'user=b", { host: 'a', user: 'b' }],
    ["host='' user=b", { host: '', user: 'b' }],
    ['host= user=b', { host: 'user=b' }],
    ['user=a user=b', { user: 'b' }],
    ['requiressl=1', { sslmode: 'require' }],
    ['requiressl=0', { sslmode: 'prefer' }],
    ['', {}],
    ['   ', {}],
  ])('%j', (text, expected) => {
    expect(parsed(text)).toEqual(expected)
  })

  it.each([
    ['postgres', 'missing "=" after "postgres" in connection info string'],
    ['host a=1', 'missing "=" after "host" in connection info string'],
    ['foo=1', 'invalid connection option "foo"'],
    ['=x', 'invalid connection option ""'],
    ["host='a", 'unterminated quoted string in connection info string'],
    ["host='a\\'", 'unterminated quoted string in connection info string'],
  ])('%j is refused with the text of libpq', (text, message) => {
    expect(() => parsed(text)).toThrow(UsageError)
    expect(() => parsed(text)).toThrow(message)
  })

  it('does not show the rest of a password that was cut by a blank', () => {
    expect(() => parsed('user=x password=first second')).toThrow(
      'missing "=" after "***" in connection info string',
    )
  })
})

describe('a connection URI', () => {
  it.each([
    ['postgresql://', {}],
    ['postgres:///', {}],
    ['postgres:///db', { dbname: 'db' }],
    ['postgresql://host', { host: 'host' }],
    ['postgresql://host?', { host: 'host' }],
    ['postgresql://Host:12345/db', { host: 'Host', port: '12345', dbname: 'db' }],
    ['postgres://host:/', { host: 'host' }],
    ['postgres://:12345/', { port: '12345' }],
    ['postgresql://user:secret@host/db', { user: 'user', password: 'secret', host: 'host', dbname: 'db' }],
    ['postgresql://user@', { user: 'user' }],
    ['postgresql://u:@h', { user: 'u', host: 'h' }],
    ['postgresql://:pw@h', { password: 'pw', host: 'h' }],
    ['postgresql://user:p%40s%3A%2F@h/d%20e', { user: 'user', password: 'p@s:/', host: 'h', dbname: 'd e' }],
    ['postgresql://us%c3%a9r@h', { user: 'usér', host: 'h' }],
    ['postgresql://%68ost/', { host: 'host' }],
    ['postgresql://host/db?u%73er=x&port=1', { host: 'host', dbname: 'db', user: 'x', port: '1' }],
    ['postgresql://host?user=x&user=y', { host: 'host', user: 'y' }],
    ['postgresql://host?ssl=true', { host: 'host', sslmode: 'require' }],
    ['postgresql://host?requiressl=1', { host: 'host', sslmode: 'require' }],
    ['postgresql://[::1]:12345/db', { host: '::1', port: '12345', dbname: 'db' }],
    ['postgresql://[2001:db8::1234]/', { host: '2001:db8::1234' }],
    ['postgres://%2Fvar%2Flib%2Fpostgresql/db', { host: '/var/lib/postgresql', dbname: 'db' }],
    ['postgres://user@:1/db?host=/path', { user: 'user', port: '1', dbname: 'db', host: '/path' }],
    ['postgresql://h1:1,h2:2,h3/db', { host: 'h1,h2,h3', port: '1,2,', dbname: 'db' }],
    ['postgresql://h1,[::1]:5433', { host: 'h1,::1', port: ',5433' }],
    ['postgresql://h1,h2', { host: 'h1,h2', port: ',' }],
    ['postgresql://?hostaddr=127.0.0.1', { hostaddr: '127.0.0.1' }],
  ])('%s', (uri, expected) => {
    expect(parsed(uri)).toEqual(expected)
  })

  it.each([
    [
      'postgres://[::1',
      'end of string reached when looking for matching "]" in IPv6 host address in URI: "postgres://[::1"',
    ],
    ['postgres://[]', 'IPv6 host address may not be empty in URI: "postgres://[]"'],
    [
      'postgres://[::1]z',
      'unexpected character "z" at position 17 in URI (expected ":" or "/"): "postgres://[::1]z"',
    ],
    ['postgresql://host?zzz', 'missing key/value separator "=" in URI query parameter: "zzz"'],
    ['postgresql://host?key=key=value', 'extra key/value separator "=" in URI query parameter: "key"'],
    ['postgresql://host?uzer=', 'invalid URI query parameter: "uzer"'],
    ['postgresql://host?ssl=false', 'invalid URI query parameter: "ssl"'],
    ['postgres://host?dbname=%XXfoo', 'invalid percent-encoded token: "%XXfoo"'],
    ['postgresql://%1', 'invalid percent-encoded token: "%1"'],
    ['postgresql://a%00b', 'forbidden value %00 in percent-encoded value: "a%00b"'],
    ['postgresql://a b', 'unexpected spaces found in "a b", use percent-encoded spaces (%20) instead'],
  ])('%s is refused with the text of libpq', (uri, message) => {
    expect(() => parsed(uri)).toThrow(UsageError)
    expect(() => parsed(uri)).toThrow(message)
  })

  it.each([
    'postgresql://user:sesame@[::1/db',
    'postgresql://user:ses%ame@host',
    'postgresql://host:1?password=sesame&zzz',
    'postgresql://[]?password=sesame',
    'postgresql://host?password=ses ame',
    'postgresql://user:ses/ame@host',
    'postgresql://user:x/1?sesame@host',
  ])('%s never shows the password', (uri) => {
    let message = ''
    try {
      parsed(uri)
    } catch (error) {
      message = String(error)
    }
    expect(message).not.toBe('')
    expect(message).not.toMatch(/\bses/)
  })

  it('may be as long as it likes', () => {
    const password = 'x'.repeat(1_000_000)
    expect(parsed(`postgresql://ada:${password}@db`)).toEqual({ user: 'ada', password, host: 'db' })
  })

  it('is not what another scheme starts', () => {
    expect(() => parsed('postgre://host')).toThrow('missing "=" after "postgre://host"')
  })
})
