/**
 * The real programs with a secret of its own in every place that takes one, through many failures, at every log
 * level: none of them may be in anything that a run leaves behind or shows while it runs.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { PostgresServer } from '../../scripts/postgres-server.js'
import { waitFor } from '../../scripts/wait-for.js'
import { keepAllWal, MAJOR, writeWal } from '../live/test-server.js'

const bin = (name: string) => fileURLToPath(new URL(`../../bin/${name}`, import.meta.url))

/** By the place they are put in. What a server takes for right is among them. */
const SECRETS = {
  conninfo: 'zqConninfo7f3a91',
  rightPassword: 'zqRight0b62cc',
  unquoted: 'zqUnquoted44d8e1',
  uri: 'zqUri/55?e0@c2',
  uriEncoded: 'zqEncoded77a4b0',
  sslPassword: 'zqSslpass31f6d2',
  scramKey: 'zqScramKey9c0e55zqScramKey9c0e55zqScramKey9=',
  pgPassword: 'zqPgpassword8a1f',
  passfile: 'zqPassfile6e2b07',
  openPassfile: 'zqOpenfile5d9c3a',
  s3Secret: 'zqSecretAccess1b7d',
  s3Token: 'zqSessionToken4f08',
  customerKey: 'zqCustomerKey0123456789abcdef-32',
  heartbeat: 'zqHeartbeat2c6a',
  token: 'zqBearerToken93e1',
  statusUser: 'zqStatusUrl60ab',
} as const

let folder: string
let server: PostgresServer
/** Takes whatever is said and answers with an error, so that the next step fails in its own way. */
const refuser = createServer((request, response) => {
  request.resume()
  response.writeHead(403, { 'content-type': 'application/xml' })
  response.end('<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>no</Message></Error>')
})
let refused: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'walship-secrets-'))
  refuser.listen(0, '127.0.0.1')
  await once(refuser, 'listening')
  refused = `http://127.0.0.1:${(refuser.address() as AddressInfo).port}`
  server = await PostgresServer.launch({
    major: MAJOR,
    hba: 'local all postgres trust\nhost all postgres 127.0.0.1/32 trust\nhost all ada 127.0.0.1/32 scram-sha-256\nhost replication ada 127.0.0.1/32 scram-sha-256\n',
    settings: { ...keepAllWal(MAJOR), password_encryption: 'scram-sha-256' },
  })
  await server.query(`CREATE ROLE ada LOGIN REPLICATION PASSWORD '${SECRETS.rightPassword}'`)
  await server.query(`SELECT pg_create_physical_replication_slot('secrets', true)`)
  await writeFile(join(folder, 'passfile'), `*:*:*:*:${SECRETS.passfile}\n`, { mode: 0o600 })
  await writeFile(join(folder, 'right'), `*:*:*:*:${SECRETS.rightPassword}\n`, { mode: 0o600 })
  await writeFile(join(folder, 'open'), `*:*:*:*:${SECRETS.openPassfile}\n`, { mode: 0o644 })
  await writeFile(join(folder, 'token'), `${SECRETS.token}\n`, { mode: 0o600 })
  await writeFile(join(folder, 'key'), SECRETS.customerKey, { mode: 0o600 })
  await writeFile(
    join(folder, 'service'),
    `[main]\nhost=127.0.0.1\npassword=${SECRETS.conninfo}\nsyntax error\n`,
  )
  await writeFile(join(folder, 'config.yaml'), `directory: ${folder}\npassword: ${SECRETS.conninfo}\n`)
})

afterAll(async () => {
  await server?.[Symbol.asyncDispose]()
  refuser.closeAllConnections()
  refuser.close()
  await rm(folder, { recursive: true, force: true })
})

/** The secrets that a text shows: whole, encoded, or in a telling piece. */
function leaks(shown: string): string[] {
  return placesWhere((secret) => [...wholeForms(secret), secret.slice(0, 5), secret.slice(-5)], shown)
}

const wholeForms = (secret: string) => [
  secret,
  encodeURIComponent(secret),
  Buffer.from(secret).toString('base64'),
]

function placesWhere(formsOf: (secret: string) => string[], shown: string): string[] {
  return Object.entries(SECRETS).flatMap(([place, secret]) =>
    formsOf(secret).some((form) => shown.includes(form)) ? [place] : [],
  )
}

interface Run {
  readonly program?: 'walship' | 'pg_receivewal'
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

async function run({ program = 'pg_receivewal', args, env = {} }: Run) {
  const child = spawn(bin(program), [...args], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH, HOME: folder, LC_ALL: 'C', ...env },
  })
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  return { status: child.exitCode, shown: out + err }
}

const AWS = {
  AWS_ACCESS_KEY_ID: 'AKIAZQ',
  AWS_SECRET_ACCESS_KEY: SECRETS.s3Secret,
  AWS_SESSION_TOKEN: SECRETS.s3Token,
  AWS_REGION: 'us-east-1',
}

describe('secrets', () => {
  it('would be noticed', () => {
    for (const [place, secret] of Object.entries(SECRETS))
      for (const form of [secret, encodeURIComponent(secret), secret.slice(0, 5), `x${secret.slice(-5)}`])
        expect(leaks(`error: ${form}`)).toContain(place)
  })

  it('are in nothing that a failure shows', { timeout: 240_000 }, async () => {
    const to = (more: string) => `host=127.0.0.1 port=${server.port} user=ada ${more}`
    const drop = (...args: string[]) => ['-D', folder, '-n', '-w', '-v', ...args]
    const uri = (password: string, rest = '') =>
      `postgresql://ada:${password}@127.0.0.1:${server.port}/${rest}`
    const runs: Run[] = [
      { args: drop('-d', to(`password=${SECRETS.conninfo}`)) },
      { args: drop('-d', to(`password='${SECRETS.conninfo}`)) },
      { args: drop('-d', to(`password=one ${SECRETS.unquoted}`)) },
      { args: drop('-d', to(`password = '${SECRETS.conninfo}' nonsense=1`)) },
      { args: drop('-d', to(`password=${SECRETS.conninfo} sslmode=verify-full`)) },
      {
        args: drop(
          '-d',
          to(
            `password=${SECRETS.conninfo} sslmode=verify-ca sslpassword=${SECRETS.sslPassword} sslkey=/nowhere sslcert=/nowhere`,
          ),
        ),
      },
      { args: drop('-d', to(`scram_client_key=${SECRETS.scramKey} scram_server_key=x`)) },
      { args: drop('-d', to(`password=${SECRETS.conninfo} require_auth=md5`)) },
      { args: drop('-d', to(`password=${SECRETS.conninfo} port=1`)) },
      { args: drop('-d', uri(SECRETS.uri)) },
      { args: drop('-d', uri(encodeURIComponent(SECRETS.uri))) },
      { args: drop('-d', uri(SECRETS.uriEncoded, '?sslmode=nonsense')) },
      { args: drop('-d', uri(`${SECRETS.uriEncoded}%zz`)) },
      { args: drop('-d', uri(SECRETS.uriEncoded, `?password=${SECRETS.conninfo}&x`)) },
      { args: drop('-d', uri(SECRETS.uriEncoded), '--bogus') },
      { args: drop('-d', uri(SECRETS.uriEncoded), 'operand') },
      { args: drop('-d', to('')), env: { PGPASSWORD: SECRETS.pgPassword } },
      { args: drop('-d', to(`passfile=${join(folder, 'passfile')}`)) },
      { args: drop('-d', to(`passfile=${join(folder, 'open')}`)) },
      { args: drop('-d', 'service=main'), env: { PGSERVICEFILE: join(folder, 'service') } },
      { args: drop('-S', 'missing', '-d', to(`password=${SECRETS.rightPassword}`)) },
      { args: drop('-S', 'missing', '-d', uri(SECRETS.rightPassword)) },
    ]
    for (const [index, level] of ['trace', 'debug', 'info', 'warn', 'error'].entries()) {
      const receive = ['receive', '-D', folder, '-n', '-w', '--log-level', level]
      const format = ['--log-format', index % 2 === 0 ? 'json' : 'pretty']
      const s3 = [
        '--store',
        's3://bucket/prefix',
        '--s3-endpoint',
        index % 2 === 0 ? refused : 'http://127.0.0.1:1',
        '--s3-attempts',
        '1',
      ]
      runs.push(
        { program: 'walship', args: [...receive, ...format, '-d', to(`password=${SECRETS.conninfo}`)] },
        { program: 'walship', args: [...receive, ...format, '-d', uri(SECRETS.uri), '--verbose'] },
        {
          program: 'walship',
          args: [...receive, ...format, ...s3, '-d', to(`password=${SECRETS.rightPassword}`), '-s', '1'],
          env: {
            ...AWS,
            WALSHIP_HEARTBEAT_URL: `${refused}/${SECRETS.heartbeat}`,
            PGPASSWORD: SECRETS.pgPassword,
          },
        },
        {
          program: 'walship',
          args: [
            'fetch',
            '--retry-for',
            '0',
            '--prefetch',
            '4',
            ...s3.slice(0, 4),
            '000000010000000000000001',
            'target',
          ],
          env: { ...AWS, PGPASSWORD: SECRETS.pgPassword },
        },
      )
    }
    const walship = (...args: string[]) => runs.push({ program: 'walship', args, env: AWS })
    walship('receive', '-D', folder, '--heartbeat-url', `nonsense:${SECRETS.heartbeat}`)
    walship('receive', '-D', folder, '--config', 'config.yaml')
    walship(
      ...['receive', '-D', folder, '-n', '-w', '-d', to(`password=${SECRETS.rightPassword}`)],
      '--store',
      's3://bucket',
      '--s3-endpoint',
      refused,
      '--s3-sse',
      'customer',
      '--s3-sse-c-key-file',
      'key',
    )
    walship('verify', '--store', 's3://bucket/x', '--s3-endpoint', refused, '--s3-attempts', '1')
    walship('list', '--store', 's3://bucket/x', '--s3-endpoint', refused, '--s3-attempts', '1')
    walship('status', '--url', `http://ada:${SECRETS.statusUser}@127.0.0.1:1/`)
    walship('status', '-d', uri(SECRETS.uriEncoded), '-w')
    walship('slot', 'list', '-d', to(`password=${SECRETS.conninfo}`), '-w')
    runs.push({
      program: 'walship',
      args: ['status', '--url', refused],
      env: { WALSHIP_HTTP_TOKEN: SECRETS.token },
    })

    for (const each of runs) {
      const limited = await Promise.race([
        run(each),
        new Promise<null>((r) => setTimeout(() => r(null), 60_000)),
      ])
      expect(limited, `${each.args.join(' ')} did not end`).not.toBeNull()
      const { status, shown } = limited!
      expect(leaks(shown), `${each.args.join(' ')}:\n${shown}`).toEqual([])
      expect(status, shown).not.toBe(0)
      expect(shown, each.args.join(' ')).not.toMatch(/TypeError|RangeError|at file:\/\//)
    }
  })

  it('are in no file, answer or process list of a run that works, and its files are for its user alone', {
    timeout: 120_000,
  }, async () => {
    const directory = join(folder, 'wal')
    const store = join(folder, 'store')
    await mkdir(directory, { mode: 0o700 })
    await mkdir(store, { mode: 0o700 })
    const dsn = `postgresql://ada:${SECRETS.rightPassword}@127.0.0.1:${server.port}/`
    const args = [
      ...['receive', '-D', directory, '-d', dsn, '-S', 'secrets', '--store', `file://${store}`, '-s', '1'],
      ...['--http', '127.0.0.1:0', '--http-token-file', join(folder, 'token'), '--log-level', 'trace', '-v'],
      ...['--heartbeat-url', `${refused}/${SECRETS.heartbeat}`, '--tail-interval', '1'],
    ]
    const umask = process.umask(0)
    const child = spawn(bin('walship'), args, {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env.PATH, HOME: folder, ...AWS, PGPASSWORD: SECRETS.pgPassword },
    })
    process.umask(umask)
    let shown = ''
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (piece) => (shown += piece))
    const closed = once(child, 'close')
    try {
      await waitFor('the status', () => /"event":"http_listening"/.test(shown))
      const url = /"url":"([^"]+)"/.exec(shown)![1]!
      await writeWal(server, 256 * 1024)
      await waitFor('a part in the store', async () => (await readdir(store)).includes('tail'))
      const commandLine = await readFile(`/proc/${child.pid}/cmdline`, 'utf8')
      expect(commandLine).toContain('receive')
      expect(leaks(commandLine), commandLine).toEqual([])
      for (const path of [
        '',
        'metrics',
        'status.json',
        'history.json',
        'healthz',
        'readyz',
        'nothing',
        '../../etc/passwd',
      ]) {
        const answer = await fetch(url + path, { headers: { authorization: `Bearer ${SECRETS.token}` } })
        expect(leaks(await answer.text()), path).toEqual([])
      }
      // The server goes and comes back: what is told of that, too.
      await server.restart('immediate')
      await waitFor(
        'a new start',
        () => (shown.match(/"event":"stream_started"|streaming/g) ?? []).length >= 2,
      )
    } finally {
      child.kill('SIGINT')
      await closed
    }
    expect(leaks(shown), shown).toEqual([])
    const open: string[] = []
    let files = 0
    for (const root of [directory, store]) {
      for (const name of await readdir(root, { recursive: true })) {
        const path = join(root, name)
        const status = await stat(path)
        const isRight = (status.mode & 0o777) === (status.isDirectory() ? 0o700 : 0o600)
        if (!isRight) open.push(`${path} ${(status.mode & 0o777).toString(8)}`)
        if (!status.isFile()) continue
        files++
        const content = await readFile(path, 'latin1')
        // A piece of five letters is in WAL by chance.
        expect(placesWhere(wholeForms, content), path).toEqual([])
      }
    }
    expect(files).toBeGreaterThan(3)
    expect(open).toEqual([])
  })
})
