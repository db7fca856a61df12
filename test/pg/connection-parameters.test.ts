import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ConnectOptions } from '../../src/pg/connect-options.js'
import { connectionParameters } from '../../src/pg/connection-parameters.js'
import { UsageError } from '../../src/pg/errors.js'
import { parseService, readService } from '../../src/pg/service-file.js'

let home: string
beforeEach(() => {
  home = mkdtempSync(path.join(tmpdir(), 'walship-home-'))
})
afterEach(() => rmSync(home, { recursive: true }))

const physical = (options: ConnectOptions) =>
  connectionParameters({ ...options, environment: { HOME: home, ...options.environment } }, 'true')

describe('where a parameter comes from', () => {
  it('explicit wins over the connection string, over the service, over the environment, over the default', () => {
    writeFileSync(
      path.join(home, '.pg_service.conf'),
      '[main]\nuser=of-service\napplication_name=of-service\nhost=service\nport=3\n',
    )
    const environment = {
      PGUSER: 'of-environment',
      PGAPPNAME: 'of-environment',
      PGHOST: 'environment',
      PGPORT: '4',
      PGOPTIONS: '-c of=environment',
    }
    const parameters = physical({
      dsn: 'service=main host=dsn user=dsn',
      user: 'explicit',
      keywords: { host: 'keywords' },
      environment,
    })
    expect(parameters.user).toBe('explicit')
    expect(parameters.hosts).toMatchObject([{ host: 'keywords', port: 3 }])
    expect(parameters.startup).toEqual({
      user: 'explicit',
      database: 'replication',
      replication: 'true',
      options: '-c of=environment',
      application_name: 'of-service',
    })
    expect(parameters.tls.mode).toBe('prefer')
  })

  it('an empty explicit value counts as not given', () => {
    expect(physical({ dsn: "host=''", host: '', environment: { PGHOST: 'h' } }).hosts).toMatchObject([
      { host: 'h' },
    ])
  })

  it('the application name falls back only when nobody gives one', () => {
    const name = (options: ConnectOptions) => physical(options).startup.application_name
    expect(name({ fallbackApplicationName: 'walship' })).toBe('walship')
    expect(name({ fallbackApplicationName: 'walship', environment: { PGAPPNAME: 'env' } })).toBe('env')
    expect(name({ fallbackApplicationName: 'walship', dsn: 'application_name=dsn' })).toBe('dsn')
    expect(name({ fallbackApplicationName: 'walship', environment: { PGAPPNAME: '' } })).toBeUndefined()
  })

  it('the user is the one of the operating system when nobody names one', () => {
    expect(physical({}).user).toBe(userInfo().username)
  })

  it('a physical connection has the database "replication" unless one was named outright', () => {
    expect(physical({ environment: { PGDATABASE: 'env' } }).database).toBe('replication')
    expect(physical({ dsn: 'dbname=pooled' }).database).toBe('pooled')
    expect(physical({ database: 'pooled' }).database).toBe('pooled')
  })

  it('a logical connection takes the database, else the user name', () => {
    const logical = (options: ConnectOptions) => connectionParameters(options, 'database')
    expect(logical({ user: 'u', environment: { PGDATABASE: 'env' } }).startup).toMatchObject({
      database: 'env',
      replication: 'database',
    })
    expect(logical({ user: 'u' }).database).toBe('u')
    expect(connectionParameters({ user: 'u' }, null).startup).not.toHaveProperty('replication')
  })

  it('"replication" in a connection string does not count', () => {
    expect(physical({ dsn: 'replication=database' }).startup.replication).toBe('true')
  })

  it('PGTZ and its like become settings of the session', () => {
    expect(physical({ environment: { PGTZ: 'UTC', PGDATESTYLE: 'default' } }).startup).toMatchObject({
      timezone: 'UTC',
    })
    expect(physical({ environment: { PGDATESTYLE: 'default' } }).startup).not.toHaveProperty('datestyle')
  })

  it('the password may come from options, connection string and environment', () => {
    expect(physical({ environment: { PGPASSWORD: 'env' } }).password).toBe('env')
    expect(physical({ dsn: 'password=dsn', environment: { PGPASSWORD: 'env' } }).password).toBe('dsn')
    expect(physical({ dsn: 'password=dsn', password: 'own' }).password).toBe('own')
    expect(physical({ password: () => 'asked' }).password).toBeUndefined()
  })

  it('the connection timeout is in seconds for libpq and in milliseconds for us', () => {
    expect(physical({ dsn: 'connect_timeout=3' }).connectTimeoutMs).toBe(3000)
    expect(physical({ dsn: 'connect_timeout=-1' }).connectTimeoutMs).toBe(0)
    expect(physical({ dsn: 'connect_timeout=3', connectTimeoutMs: 50 }).connectTimeoutMs).toBe(50)
    expect(physical({}).connectTimeoutMs).toBe(0)
  })

  it('keepalives are on, with an idle time to choose', () => {
    expect(physical({}).keepaliveIdleMs).toBe(0)
    expect(physical({ dsn: 'keepalives_idle=7' }).keepaliveIdleMs).toBe(7000)
    expect(physical({ dsn: 'keepalives=0 keepalives_idle=7' }).keepaliveIdleMs).toBeNull()
  })

  it('sslrootcert=system makes sslmode verify-full, unless sslmode was given', () => {
    expect(physical({ dsn: 'sslrootcert=system' }).tls.mode).toBe('verify-full')
    expect(() => physical({ dsn: 'sslrootcert=system sslmode=verify-ca' })).toThrow(
      'weak sslmode "verify-ca" may not be used with sslrootcert=system (use "verify-full")',
    )
    expect(physical({ environment: { PGREQUIRESSL: '1' } }).tls.mode).toBe('require')
  })
})

describe('what a parameter may be', () => {
  it.each([
    ['sslmode=foo', 'invalid sslmode value: "foo"'],
    ['channel_binding=foo', 'invalid channel_binding value: "foo"'],
    ['target_session_attrs=foo', 'invalid target_session_attrs value: "foo"'],
    ['load_balance_hosts=foo', 'invalid load_balance_hosts value: "foo"'],
    ['sslcertmode=foo', 'invalid sslcertmode value: "foo"'],
    ['sslnegotiation=foo', 'invalid sslnegotiation value: "foo"'],
    ['gssencmode=foo', 'invalid gssencmode value: "foo"'],
    ['gssencmode=require', 'gssencmode value "require" invalid when GSSAPI support is not compiled in'],
    ['require_auth=foo', 'invalid require_auth value: "foo"'],
    ['require_auth=md5,md5', 'require_auth method "md5" is specified more than once'],
    [
      'require_auth=md5,!password',
      'negative require_auth method "password" cannot be mixed with non-negative methods',
    ],
    ['require_auth=!md5,password', 'require_auth method "password" cannot be mixed with negative methods'],
    ['ssl_min_protocol_version=foo', 'invalid "ssl_min_protocol_version" value: "foo"'],
    [
      'ssl_min_protocol_version=TLSv1.3 ssl_max_protocol_version=tlsv1.2',
      'invalid SSL protocol version range',
    ],
    [
      'sslnegotiation=direct',
      'weak sslmode "prefer" may not be used with sslnegotiation=direct (use "require", "verify-ca", or "verify-full")',
    ],
    ['connect_timeout=abc', 'invalid integer value "abc" for connection option "connect_timeout"'],
    ['keepalives=abc', 'invalid integer value "abc" for connection option "keepalives"'],
    ['port=0', 'invalid port number: "0"'],
    ['port=70000', 'invalid port number: "70000"'],
    ['port=x', 'invalid integer value "x" for connection option "port"'],
    ['host=a,b port=1,2,3', 'could not match 3 port numbers to 2 hosts'],
    ['host=a,b hostaddr=1.1.1.1', 'could not match 2 host names to 1 hostaddr values'],
    ['scram_client_key=%', 'invalid SCRAM client key'],
    ['scram_server_key=AAAA', 'invalid SCRAM server key length: 3'],
    ['max_protocol_version=4', 'invalid max_protocol_version value: "4"'],
    ['min_protocol_version=3.2', 'min_protocol_version value "3.2" is not supported'],
    ['requirepeer=postgres host=/tmp', 'requirepeer parameter is not supported on this platform'],
    ['service=nope', 'definition of service "nope" not found'],
  ])('%s is refused', (dsn, message) => {
    expect(() => physical({ dsn })).toThrow(UsageError)
    expect(() => physical({ dsn })).toThrow(message)
  })

  it('a NUL byte or a value that is no text is refused before it can reach the wire', () => {
    expect(() => physical({ user: 'a\0b' })).toThrow('must not contain a NUL byte')
    expect(() => physical({ user: 5 as unknown as string })).toThrow(
      'connection option "user" must be a string',
    )
  })

  it('says what it cannot do and harms nobody', () => {
    expect(physical({ dsn: 'tcp_user_timeout=5 keepalives_count=3' }).ignored).toEqual([
      'keepalives_count',
      'tcp_user_timeout',
    ])
  })
})

describe('a service file', () => {
  const text =
    '# comment\n[one]\nhost=h1\n\n  port=1  \nhost=again\n[two]\nhost=h2\nfoo=1\n[three]\nhost\n[four]\nservice=x\n'

  it('that no system can open is an error of ours', () => {
    const places = { file: 'a\0b' }
    expect(() => readService('one', places)).toThrow(UsageError)
    expect(() => readService('one', places)).toThrow('could not read service file "a\\u0000b"')
  })

  it('gives the section of the service and nothing else', () => {
    expect(Object.fromEntries(parseService(text, 'one', 'f')!)).toEqual({ host: 'h1', port: '1' })
    expect(parseService(text, 'nope', 'f')).toBeNull()
  })

  it('complains with file and line', () => {
    expect(() => parseService(text, 'two', 'f')).toThrow('syntax error in service file "f", line 9')
    expect(() => parseService(text, 'three', 'f')).toThrow('syntax error in service file "f", line 11')
    expect(() => parseService(text, 'four', 'f')).toThrow(
      'nested service specifications not supported in service file "f", line 13',
    )
  })

  it('is PGSERVICEFILE, which then must exist', () => {
    const environment = { PGSERVICE: 'main', PGSERVICEFILE: path.join(home, 'services') }
    expect(() => physical({ environment })).toThrow(`service file "${environment.PGSERVICEFILE}" not found`)
    writeFileSync(environment.PGSERVICEFILE, '[main]\nhost=there\n')
    expect(physical({ environment }).hosts).toMatchObject([{ host: 'there' }])
  })

  it('is the system file where the own one does not define the service', () => {
    writeFileSync(path.join(home, '.pg_service.conf'), '[other]\nhost=own\n')
    const directory = path.join(home, 'etc')
    mkdirSync(directory)
    writeFileSync(path.join(directory, 'pg_service.conf'), '[main]\nhost=system\n[other]\nhost=system\n')
    const hostOf = (service: string) =>
      physical({ service, environment: { PGSYSCONFDIR: directory } }).hosts[0]!.host
    expect(hostOf('main')).toBe('system')
    expect(hostOf('other')).toBe('own')
  })
})
