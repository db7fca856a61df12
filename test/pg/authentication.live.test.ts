import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { TLSSocket } from 'node:tls'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { PostgresServer } from '../../scripts/postgres-server.js'
import type { ConnectOptions } from '../../src/pg/connect-options.js'
import { openSession } from '../../src/pg/open-session.js'
import { simpleQuery } from '../../src/pg/simple-query.js'
import { type KeyPair, revocationList, selfSigned, signedBy } from '../support/certificates.js'

/** One role for each way in; all of them only for replication over TCP, except where the name says more. */
const HBA = `
local all         postgres                      trust
host  all         postgres         127.0.0.1/32 trust
local replication of_scram                      scram-sha-256
host  replication of_trust         127.0.0.1/32 trust
host  replication of_password      127.0.0.1/32 password
host  replication of_md5           127.0.0.1/32 md5
host  replication of_scram         127.0.0.1/32 scram-sha-256
host  replication of_unicode       127.0.0.1/32 scram-sha-256
host  replication of_no_right      127.0.0.1/32 trust
hostssl   replication of_cert      127.0.0.1/32 cert
hostssl   replication of_tls_only  127.0.0.1/32 trust
hostnossl replication of_plain_only 127.0.0.1/32 trust
`

let server: PostgresServer
let folder: string
let authority: KeyPair
let stranger: KeyPair
let client: KeyPair
let lockedClient: KeyPair
let revoked: string

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'walship-auth-'))
  authority = selfSigned(folder, 'authority')
  stranger = selfSigned(folder, 'stranger')
  const serverPair = signedBy(authority, folder, 'server', {
    commonName: 'localhost',
    alternativeNames: 'DNS:localhost',
  })
  client = signedBy(authority, folder, 'client', { commonName: 'of_cert' })
  lockedClient = signedBy(authority, folder, 'locked', { commonName: 'of_cert', password: 'open sesame' })
  revoked = revocationList(authority, folder, [serverPair])
  server = await PostgresServer.create({ hba: HBA })
  const file = async (name: string, from: string) => server.addFile(name, readFileSync(from))
  await server.configure({
    ssl: true,
    ssl_cert_file: await file('server.crt', serverPair.certificate),
    ssl_key_file: await file('server.key', serverPair.key),
    ssl_ca_file: await file('root.crt', authority.certificate),
    password_encryption: 'scram-sha-256',
  })
  await server.start()
  const role = (name: string, password: string | null) =>
    server.query(`CREATE ROLE ${name} LOGIN REPLICATION ${password === null ? '' : `PASSWORD '${password}'`}`)
  for (const name of ['of_trust', 'of_cert', 'of_tls_only', 'of_plain_only']) await role(name, null)
  await server.query('CREATE ROLE of_no_right LOGIN')
  await role('of_password', 'sesame')
  await role('of_scram', 'sesame')
  // Stored in composed form; given below in the decomposed one, which SASLprep makes equal.
  await role('of_unicode', 'caf\u00e9\u00a0\u2168')
  const client_ = await server.connect()
  await client_.query("SET password_encryption = 'md5'")
  await client_.query("CREATE ROLE of_md5 LOGIN REPLICATION PASSWORD 'sesame'")
  await client_.end()
})

afterAll(async () => {
  await server?.[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
})

interface Outcome {
  readonly encrypted: boolean
  readonly passwordUsed: string | undefined
  readonly systemId: string | null
  readonly protocol: string | null
}

/** Connects, runs a replication command to prove that the session works, and closes. */
async function connect(dsn: string, options: ConnectOptions = {}): Promise<Outcome> {
  const session = await openSession(
    {
      environment: { HOME: folder },
      ...options,
      dsn: `host=localhost hostaddr=127.0.0.1 port=${server.port} ${dsn}`,
    },
    'true',
  )
  try {
    const [result] = await simpleQuery(session.wire, 'IDENTIFY_SYSTEM')
    const { encrypted, socket } = session.transport
    return {
      encrypted,
      passwordUsed: session.passwordUsed,
      systemId: result!.rows[0]![0]!.toString(),
      protocol: encrypted ? (socket as TLSSocket).getProtocol() : null,
    }
  } finally {
    session.transport.destroy()
  }
}

const root = () => `sslrootcert=${authority.certificate}`
const prefix = () => `connection to server at "127.0.0.1", port ${server.port} failed: `

describe('authentication methods', () => {
  it('trust needs no password and reports none used', async () => {
    const outcome = await connect('user=of_trust password=unused')
    expect(outcome).toMatchObject({ encrypted: true, passwordUsed: undefined })
    expect(outcome.systemId).toMatch(/^\d+$/)
  })

  it.each(['of_password', 'of_md5', 'of_scram'])('%s with and without TLS', async (user) => {
    for (const sslmode of ['disable', 'require'])
      expect(await connect(`user=${user} password=sesame sslmode=${sslmode}`)).toMatchObject({
        encrypted: sslmode === 'require',
        passwordUsed: 'sesame',
      })
  })

  it.each(['of_password', 'of_md5', 'of_scram'])(
    '%s with a wrong password, which is not shown',
    async (user) => {
      const failure = connect(`user=${user} password=wrong-sesame`)
      await expect(failure).rejects.toMatchObject({
        message: `${prefix()}FATAL:  password authentication failed for user "${user}"`,
        sqlState: '28P01',
        retryable: false,
        code: 'PG_AUTHENTICATION',
      })
    },
  )

  it('SCRAM over a Unix socket', async () => {
    const session = await openSession(
      { host: server.socketDirectory, port: server.port, user: 'of_scram', password: 'sesame' },
      'true',
    )
    expect(session).toMatchObject({ host: server.socketDirectory, passwordUsed: 'sesame' })
    expect(session.serverVersion).toBeGreaterThanOrEqual(180000)
    expect(session.backendPid).toBeGreaterThan(0)
    expect(session.backendKey).toHaveLength(4)
    expect(session.parameters.get('in_hot_standby')).toBe('off')
    session.transport.destroy()
  })

  it('SCRAM with a password that SASLprep changes', async () => {
    const outcome = connect('user=of_unicode', { password: 'cafe\u0301 IX' })
    await expect(outcome).resolves.toMatchObject({ encrypted: true })
  })

  it('cert', async () => {
    chmodSync(client.key, 0o600)
    const pair = `sslcert=${client.certificate} sslkey=${client.key}`
    await expect(connect(`user=of_cert ${pair}`)).resolves.toMatchObject({ encrypted: true })
    await expect(
      connect(`user=of_cert ${pair} sslcertmode=require require_auth=none`),
    ).resolves.toMatchObject({
      encrypted: true,
    })
    await expect(connect(`user=of_cert ${pair} sslcertmode=disable`)).rejects.toThrow(
      'FATAL:  connection requires a valid client certificate',
    )
    await expect(connect('user=of_trust sslcertmode=require')).rejects.toThrow(
      'server accepted connection without a valid SSL certificate',
    )
    await expect(connect('user=of_trust sslcertmode=require sslmode=disable')).rejects.toThrow(
      'server did not request an SSL certificate',
    )
  })

  it('cert with files in ~/.postgresql, and a key under a passphrase', async () => {
    const home = path.join(folder, 'home')
    mkdirSync(path.join(home, '.postgresql'), { recursive: true })
    copyFileSync(lockedClient.certificate, path.join(home, '.postgresql', 'postgresql.crt'))
    copyFileSync(lockedClient.key, path.join(home, '.postgresql', 'postgresql.key'))
    chmodSync(path.join(home, '.postgresql', 'postgresql.key'), 0o600)
    const options = { environment: { HOME: home } }
    await expect(
      connect('user=of_cert', { ...options, keywords: { sslpassword: 'open sesame' } }),
    ).resolves.toMatchObject({ encrypted: true })
    await expect(connect('user=of_cert sslmode=require', options)).rejects.toThrow(
      `could not load private key file "${home}/.postgresql/postgresql.key"`,
    )
    chmodSync(path.join(home, '.postgresql', 'postgresql.key'), 0o644)
    await expect(connect('user=of_cert sslmode=require', options)).rejects.toThrow(
      'has group or world access',
    )
    rmSync(path.join(home, '.postgresql', 'postgresql.key'))
    await expect(connect('user=of_cert sslmode=require', options)).rejects.toThrow(
      'certificate present, but not private key file',
    )
  })

  it('a role without the right to replicate', async () => {
    await expect(connect('user=of_no_right')).rejects.toMatchObject({ sqlState: '42501', retryable: false })
  })

  it('the password file, whose name an error tells', async () => {
    const passfile = path.join(folder, 'passfile')
    writeFileSync(passfile, `localhost:${server.port}:replication:of_scram:sesame\n*:*:*:of_md5:wrong\n`)
    chmodSync(passfile, 0o600)
    await expect(connect(`user=of_scram passfile=${passfile}`)).resolves.toMatchObject({
      passwordUsed: 'sesame',
    })
    await expect(connect(`user=of_md5 passfile=${passfile}`)).rejects.toThrow(
      `password authentication failed for user "of_md5"\npassword retrieved from file "${passfile}"`,
    )
  })

  it('a password asked for, once, and only when it is needed', async () => {
    let asked = 0
    const password = async () => {
      asked += 1
      return 'sesame'
    }
    await connect('user=of_trust', { password })
    expect(asked).toBe(0)
    await expect(connect('user=of_scram', { password })).resolves.toMatchObject({ passwordUsed: 'sesame' })
    expect(asked).toBe(1)
    await expect(connect('user=of_scram')).rejects.toMatchObject({
      message: `${prefix()}fe_sendauth: no password supplied`,
      code: 'PG_NO_PASSWORD',
      retryable: false,
    })
  })
})

describe('require_auth and channel_binding', () => {
  it.each([
    ['of_scram', 'scram-sha-256', null],
    ['of_scram', '!password,!md5', null],
    ['of_scram', 'md5', 'server requested SASL authentication'],
    ['of_md5', 'scram-sha-256', 'server requested a hashed password'],
    ['of_password', '!password', 'server requested a cleartext password'],
    ['of_trust', 'none', null],
    ['of_trust', '!none', 'server did not complete authentication'],
    ['of_trust', 'scram-sha-256', 'server did not complete authentication'],
  ])('%s with require_auth=%s', async (user, requireAuth, reason) => {
    const attempt = connect(`user=${user} password=sesame sslmode=require require_auth=${requireAuth}`)
    if (reason === null) await expect(attempt).resolves.toBeDefined()
    else
      await expect(attempt).rejects.toThrow(
        `${prefix()}authentication method requirement "${requireAuth}" failed: ${reason}`,
      )
  })

  it.each([
    ['of_scram', 'channel_binding=require sslmode=require', null],
    ['of_scram', 'channel_binding=disable sslmode=require', null],
    ['of_scram', 'channel_binding=prefer sslmode=disable', null],
    ['of_scram', 'channel_binding=require sslmode=disable', 'channel binding required, but SSL not in use'],
    [
      'of_trust',
      'channel_binding=require sslmode=require',
      'channel binding required, but server authenticated client without channel binding',
    ],
    [
      'of_md5',
      'channel_binding=require sslmode=require',
      "channel binding required but not supported by server's authentication request",
    ],
  ])('%s with %s', async (user, dsn, message) => {
    const attempt = connect(`user=${user} password=sesame ${dsn}`)
    if (message === null) await expect(attempt).resolves.toBeDefined()
    else await expect(attempt).rejects.toThrow(prefix() + message)
  })
})

describe('sslmode', () => {
  it.each([
    ['disable', 'of_trust', false],
    ['allow', 'of_trust', false],
    ['allow', 'of_tls_only', true],
    ['prefer', 'of_trust', true],
    ['prefer', 'of_plain_only', false],
    ['require', 'of_trust', true],
  ])('%s as %s', async (sslmode, user, encrypted) => {
    await expect(connect(`user=${user} sslmode=${sslmode}`)).resolves.toMatchObject({ encrypted })
  })

  it.each([
    ['disable', 'of_tls_only', /no pg_hba\.conf entry.*no encryption/],
    ['require', 'of_plain_only', /no pg_hba\.conf entry.*SSL encryption/],
  ])('%s as %s is refused', async (sslmode, user, message) => {
    await expect(connect(`user=${user} sslmode=${sslmode}`)).rejects.toMatchObject({
      message: expect.stringMatching(message),
      sqlState: '28000',
    })
  })

  it('prefer tells of both ways when neither works', async () => {
    const error: Error = await connect('user=nobody_known sslmode=prefer').catch((failure) => failure)
    expect(error.message.split('\n')).toEqual([
      expect.stringContaining('SSL encryption'),
      expect.stringContaining('no encryption'),
    ])
  })

  it('verify-ca checks the authority and not the name', async () => {
    const other = (dsn: string) => connect(`user=of_trust host=other.example ${dsn}`)
    await expect(other(`sslmode=verify-ca ${root()}`)).resolves.toMatchObject({ encrypted: true })
    const strange = `sslrootcert=${stranger.certificate}`
    await expect(other(`sslmode=verify-ca ${strange}`)).rejects.toMatchObject({
      message: `${prefix()}SSL error: certificate verify failed`,
      code: 'PG_TLS_VERIFY',
      retryable: false,
    })
    // As in libpq: a root file that is there counts with sslmode=require too.
    await expect(other(`sslmode=require ${strange}`)).rejects.toThrow('certificate verify failed')
    await expect(other(`sslmode=prefer ${strange}`)).resolves.toMatchObject({ encrypted: false })
  })

  it('verify-full checks the name too', async () => {
    await expect(connect(`user=of_trust sslmode=verify-full ${root()}`)).resolves.toMatchObject({
      encrypted: true,
    })
    await expect(connect(`user=of_trust host=other.example sslmode=verify-full ${root()}`)).rejects.toThrow(
      `${prefix()}server certificate for "localhost" does not match host name "other.example"`,
    )
    await expect(connect('user=of_trust sslmode=verify-full sslrootcert=system')).rejects.toThrow(
      'certificate verify failed',
    )
  })

  it('a verifying mode without a root file says what to do', async () => {
    await expect(connect('user=of_trust sslmode=verify-ca')).rejects.toThrow(
      `root certificate file "${folder}/.postgresql/root.crt" does not exist\nEither provide the file`,
    )
  })

  it('a revoked server certificate is refused', async () => {
    await expect(connect(`user=of_trust sslmode=verify-ca ${root()} sslcrl=${revoked}`)).rejects.toThrow(
      'certificate verify failed',
    )
  })

  it('the TLS version stays within its bounds', async () => {
    await expect(
      connect('user=of_trust sslmode=require ssl_max_protocol_version=TLSv1.2'),
    ).resolves.toMatchObject({ protocol: 'TLSv1.2' })
    await expect(
      connect('user=of_trust sslmode=require ssl_min_protocol_version=TLSv1.3'),
    ).resolves.toMatchObject({ protocol: 'TLSv1.3' })
  })

  it('no TLS version in common is told with the range', async () => {
    await expect(
      connect(
        'user=of_trust sslmode=require ssl_min_protocol_version=TLSv1 ssl_max_protocol_version=TLSv1.1',
      ),
    ).rejects.toMatchObject({
      message: expect.stringMatching(
        /SSL error: .*\nThis may indicate that the server does not support any SSL protocol version between TLSv1 and TLSv1\.1\.$/,
      ),
      retryable: false,
    })
  })

  it('a client certificate of a stranger is refused with the words of the TLS alert', async () => {
    chmodSync(stranger.key, 0o600)
    await expect(
      connect(`user=of_trust sslmode=require sslcert=${stranger.certificate} sslkey=${stranger.key}`),
    ).rejects.toMatchObject({
      message: expect.stringMatching(/SSL error: tlsv1 alert unknown ca$/),
      retryable: false,
    })
  })

  it('a key file that cannot be used only matters when TLS has to be', async () => {
    const broken = `user=of_trust sslcert=${client.certificate} sslkey=/nonexistent`
    await expect(connect(`${broken} sslmode=prefer`)).resolves.toMatchObject({ encrypted: false })
    await expect(connect(`${broken} sslmode=require`)).rejects.toMatchObject({
      message: `${prefix()}certificate present, but not private key file "/nonexistent"`,
      code: 'PG_TLS_FILE',
    })
  })

  it('sslnegotiation=direct starts with TLS', async () => {
    await expect(
      connect(
        `user=of_scram password=sesame sslnegotiation=direct sslmode=verify-full channel_binding=require ${root()}`,
      ),
    ).resolves.toMatchObject({ encrypted: true })
  })
})
