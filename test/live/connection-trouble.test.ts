/** Connections that cannot be made, or go quiet: what both programs say, and whether they try again. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { chmod, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { PostgresServer } from '../../scripts/postgres-server.js'
import { waitFor } from '../../scripts/wait-for.js'
import { selfSigned, signedBy } from '../support/certificates.js'
import { expectSameWal, namesIn } from './received-wal.js'
import { ReceiverProcess } from './receiver-process.js'
import { testDirectory } from './test-directory.js'
import {
  createSlot,
  launchTestServer,
  MAJOR,
  reported,
  SEGMENT_SIZE,
  streaming,
  writeWal,
} from './test-server.js'

const HBA = `
local   all         all                             trust
host    all         postgres           127.0.0.1/32 trust
host    replication postgres           127.0.0.1/32 trust
host    replication of_scram           127.0.0.1/32 scram-sha-256
hostssl replication of_tls             127.0.0.1/32 trust
`

describe(`a PostgreSQL ${MAJOR} server that refuses`, () => {
  let server: PostgresServer
  let folder: string
  let directory: string

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'walship-refusal-'))
    const authority = selfSigned(folder, 'authority')
    selfSigned(folder, 'stranger')
    const pair = signedBy(authority, folder, 'server', {
      commonName: 'localhost',
      alternativeNames: 'DNS:localhost',
    })
    server = await PostgresServer.create({ major: MAJOR, hba: HBA })
    await server.configure({
      ssl: true,
      ssl_cert_file: await server.addFile('server.crt', readFileSync(pair.certificate)),
      ssl_key_file: await server.addFile('server.key', readFileSync(pair.key)),
      password_encryption: 'scram-sha-256',
    })
    await server.start()
    await server.query(`CREATE ROLE of_scram LOGIN REPLICATION PASSWORD 'sesame'`)
    for (const role of ['of_tls', 'of_nowhere']) await server.query(`CREATE ROLE ${role} LOGIN REPLICATION`)
  })
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]()
    rmSync(folder, { recursive: true, force: true })
  })
  beforeEach(async () => {
    directory = await testDirectory()
  })

  const address = () => `host=localhost hostaddr=127.0.0.1 port=${server.port}`
  const prefix = () => `connection to server at "127.0.0.1", port ${server.port} failed: `

  /** No later try can help, so both end at once, without --no-loop too. */
  async function expectRefusal(
    conninfo: string,
    expected: { text: string | RegExp; hint: RegExp },
    surroundings = {},
  ): Promise<void> {
    const args = ['-D', directory, '-w', '-d', `${address()} ${conninfo}`]
    await using dropIn = ReceiverProcess.dropIn(args, surroundings)
    const ours = await dropIn.exit
    expect(ours.status).toBe(1)
    expect(ours.stderr.startsWith(`pg_receivewal: error: ${prefix()}`)).toBe(true)
    expect(ours.stderr).toMatch(expected.text)
    expect(/^pg_receivewal: hint: (.*)$/m.exec(ours.stderr)?.[1]).toMatch(expected.hint)

    await using walship = ReceiverProcess.walship(args, surroundings)
    const { status, stderr } = await walship.exit
    expect(status).toBe(1)
    const records = stderr
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(records).toHaveLength(1)
    expect(records[0]).toMatchObject({ event: 'failed', retryable: false })
    expect(records[0].msg).toMatch(expected.text)
    expect(records[0].hint).toMatch(expected.hint)

    expect(ours.stderr + stderr).not.toContain('sesame')
    expect(await namesIn(directory)).toEqual([])
  }

  it('a wrong password', async () => {
    const expected = { text: /password authentication failed for user "of_scram"/, hint: /password file/ }
    await expectRefusal('user=of_scram sslmode=disable', expected, { env: { PGPASSWORD: 'open-sesame' } })
    await expectRefusal('user=of_scram sslmode=disable password=open-sesame', expected)
  })

  it('a wrong password in the password file', async () => {
    const passfile = join(folder, 'pgpass')
    await writeFile(passfile, `*:*:replication:of_scram:open-sesame\n`, { mode: 0o600 })
    try {
      await expectRefusal(
        'user=of_scram sslmode=disable',
        { text: /password authentication failed/, hint: /password file/ },
        { env: { PGPASSFILE: passfile } },
      )
      // Others may read it, so it does not count.
      await chmod(passfile, 0o644)
      await using open = ReceiverProcess.dropIn(
        ['-D', directory, '-w', '-d', `${address()} user=of_scram sslmode=disable`],
        { env: { PGPASSFILE: passfile } },
      )
      const { status, stderr } = await open.exit
      expect(status).toBe(1)
      expect(stderr).toContain(`WARNING: password file "${passfile}" has group or world access`)
      expect(stderr).toContain('fe_sendauth: no password supplied')
    } finally {
      rmSync(passfile)
    }
  })

  it('no password at all', () =>
    expectRefusal('user=of_scram sslmode=disable', {
      text: /fe_sendauth: no password supplied/,
      hint: /password/,
    }))

  it('a role that no line of pg_hba.conf lets in', () =>
    expectRefusal('user=of_nowhere sslmode=disable', {
      text: /no pg_hba.conf entry for replication connection from host "127.0.0.1", user "of_nowhere"/,
      hint: /pg_hba\.conf/,
    }))

  it('a connection without TLS where TLS is required', () =>
    expectRefusal('user=of_tls sslmode=disable', { text: /no pg_hba.conf entry/, hint: /pg_hba\.conf/ }))

  it('a server certificate that an authority of ours did not sign', () =>
    expectRefusal(`user=of_tls sslmode=verify-ca sslrootcert=${folder}/stranger.crt`, {
      text: /SSL error: certificate verify failed/,
      hint: /sslrootcert/,
    }))

  it('a server certificate for another name', () =>
    expectRefusal(`user=of_tls sslmode=verify-full host=elsewhere sslrootcert=${folder}/authority.crt`, {
      text: /server certificate for "localhost" does not match host name "elsewhere"/,
      hint: /./,
    }))

  it('a server without TLS where TLS is asked for', async () => {
    await server.configure({ ssl: false })
    await server.reload()
    await waitFor('ssl to be off', async () => (await server.value('SHOW ssl')) === 'off')
    await expectRefusal('user=postgres sslmode=require', {
      text: /server does not support SSL, but SSL was required/,
      hint: /./,
    })
  })
})

describe(`a PostgreSQL ${MAJOR} server that is not there`, () => {
  it('the drop-in ends at once; walship waits for it, and gets in', async () => {
    const server = await launchTestServer()
    try {
      await server.query(`SELECT pg_create_physical_replication_slot('later', true)`)
      await server.stop()
      const directory = await testDirectory()
      const args = ['-D', directory, '-S', 'later', '--synchronous', '-d', server.dsn]
      await using dropIn = ReceiverProcess.dropIn(args)
      const { status, stderr } = await dropIn.exit
      expect(status).toBe(1)
      expect(stderr).toBe(
        `pg_receivewal: error: connection to server at "127.0.0.1", port ${server.port} failed: Connection refused\n` +
          '\tIs the server running on that host and accepting TCP/IP connections?\n',
      )
      await using once = ReceiverProcess.walship([...args, '--no-loop'])
      expect((await once.exit).status).toBe(1)

      await using walship = ReceiverProcess.walship(args)
      await walship.said(/"event":"attempt_failed".*"retryable":true.*Connection refused/)
      await walship.said(/"event":"retrying"/)
      await server.start()
      const end = await writeWal(server, SEGMENT_SIZE)
      await reported(server, 'flush_lsn', end)
      await expectSameWal(directory, server.walDirectory, { to: end, segmentSize: SEGMENT_SIZE })
      expect((await walship.stop('SIGTERM')).status).toBe(0)
    } finally {
      await server[Symbol.asyncDispose]()
    }
  })
})

describe(`a line to a PostgreSQL ${MAJOR} server that goes quiet`, () => {
  let server: PostgresServer
  let directory: string

  beforeAll(async () => {
    server = await launchTestServer({ settings: { wal_sender_timeout: '1s' } })
  })
  afterAll(() => server?.[Symbol.asyncDispose]())
  beforeEach(async () => {
    await createSlot(server, 'quiet')
    directory = await testDirectory()
  })

  it.each(['dropIn', 'walship'] as const)(
    'a receiver that slept for longer than the server waits comes back and goes on (%s)',
    async (program) => {
      const args = ['-D', directory, '-S', 'quiet', '--synchronous', '-d', server.dsn]
      await using receiver = ReceiverProcess[program](args)
      await streaming(server)
      await reported(server, 'flush_lsn', await writeWal(server, SEGMENT_SIZE / 2))
      receiver.signal('SIGSTOP')
      await waitFor('the server to give it up', async () => {
        return (await server.value('SELECT count(*) FROM pg_stat_replication')) === '0'
      })
      const end = await writeWal(server, SEGMENT_SIZE)
      receiver.signal('SIGCONT')
      await reported(server, 'flush_lsn', end)
      expect(receiver.stderr).toContain('could not receive data from WAL stream: ')
      await expectSameWal(directory, server.walDirectory, { to: end, segmentSize: SEGMENT_SIZE })
      expect((await receiver.stop()).status).toBe(0)
    },
  )

  it.each(['dropIn', 'walship'] as const)(
    'a receiver whose connection an administrator ends says so, comes back and goes on (%s)',
    async (program) => {
      const args = ['-D', directory, '-S', 'quiet', '--synchronous', '-d', server.dsn]
      await using receiver = ReceiverProcess[program](args)
      await streaming(server)
      await server.query('SELECT pg_terminate_backend(pid) FROM pg_stat_replication')
      await receiver.said(
        /unexpected termination of replication stream: FATAL: {2}terminating connection due to administrator command/,
      )
      const end = await writeWal(server, SEGMENT_SIZE)
      await reported(server, 'flush_lsn', end)
      await expectSameWal(directory, server.walDirectory, { to: end, segmentSize: SEGMENT_SIZE })
      expect((await receiver.stop()).status).toBe(0)
    },
  )
})
