import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { CONFIG_FILE_OPTIONS } from '../../src/cli/config-options.js'
import { readFetchCommand } from '../../src/cli/fetch-command.js'
import { spoolFor } from '../../src/cli/fetch-spool.js'
import { runWalship } from '../../src/cli/walship.js'
import { readWalshipCommandLine } from '../../src/cli/walship-command-line.js'
import { STORE_OPTION_TABLE } from '../../src/store/index.js'
import { FakeFetchHost } from './fake-fetch-host.js'
import { FakeHost } from './fake-host.js'

let folder: string
let path: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'walship-config-'))
  path = join(folder, 'walship.yaml')
})
afterEach(() => rm(folder, { recursive: true }))

async function read(text: string, words = '', environment: Record<string, string> = {}) {
  await writeFile(path, text)
  const args = ['receive', '--config', path, ...words.split(' ').filter(Boolean)]
  return readWalshipCommandLine(new FakeHost(args, { invokedAs: 'walship', environment }), 'walship')
}

async function mistakeIn(text: string): Promise<string> {
  await writeFile(path, text)
  const host = new FakeHost(['receive', '--config', path], { invokedAs: 'walship' })
  expect(await runWalship(host)).toBe(2)
  return host.err.replaceAll(path, 'FILE')
}

describe('configuration file', () => {
  it('gives options of every kind, each read as its variable would be', async () => {
    const command = await read(`
      directory: /var/lib/walship   # a comment
      slot: 007
      synchronous: on
      no-loop: false
      host:
      store: s3://bucket/prefix
      tail-interval: 0.5
      s3-path-style: true
      log-level: warn
      prefetch: 4
    `)
    expect(command).toMatchObject({
      kind: 'receive',
      values: { directory: '/var/lib/walship', slot: '007', synchronous: true, 'no-loop': false },
      shipping: { store: 's3://bucket/prefix', tailIntervalMs: 500 },
      log: { level: 'warn' },
    })
    if (command.kind !== 'receive') return
    expect(command.shipping.values['s3-path-style']).toBe('on')
    expect(command.values).not.toHaveProperty('host')
    expect(command.shipping.values).not.toHaveProperty('prefetch')
  })

  it('may be JSON', async () => {
    const command = await read('{"directory": "/wal", "synchronous": true}')
    expect(command).toMatchObject({ values: { directory: '/wal', synchronous: true } })
  })

  it('may be empty', async () => {
    expect(await read('# nothing yet\n', '-D /wal')).toMatchObject({ values: { directory: '/wal' } })
  })

  it('stands below variables, and these below the command line', async () => {
    const text = 'directory: /file\nslot: file\nhost: file\nno-password: on\n'
    const command = await read(text, '-h line -W', { WALSHIP_SLOT: 'variable', WALSHIP_HOST: 'variable' })
    expect('values' in command && command.values).toEqual({
      directory: '/file',
      slot: 'variable',
      host: 'line',
      password: true,
    })
  })

  it('is named by a variable too', async () => {
    await writeFile(path, 'directory: /wal\n')
    const environment = { WALSHIP_CONFIG: path }
    const host = new FakeHost(['receive'], { invokedAs: 'walship', environment })
    expect(await readWalshipCommandLine(host, 'walship')).toMatchObject({ values: { directory: '/wal' } })
  })

  it.each(STORE_OPTION_TABLE.map(({ name, variable, choices }) => [name, variable, choices?.[1] ?? '7']))(
    'takes --%s, as flag and variable do',
    async (name, variable, value) => {
      const common = 'directory: /wal\nstore: s3://bucket\n'
      const ways = [
        await read(`${common}${name}: ${value}\n`),
        await read(common, '', { [variable]: value }),
        await read(common, `--${name} ${value}`),
      ]
      for (const command of ways)
        expect(command.kind === 'receive' && command.shipping.values[name]).toBe(value)
    },
  )

  it('has a name for each option that it takes, in which no two differ', () => {
    const names = CONFIG_FILE_OPTIONS.map(({ name }) => name)
    expect(new Set(names).size).toBe(names.length)
  })

  it('serves walship fetch', async () => {
    await writeFile(path, 'directory: /wal\nstore: s3://bucket/file\nretry-for: 5\nprefetch: 2\n')
    const host = new FakeFetchHost(['--config=walship.yaml', '--prefetch', '3', 'NAME', 'TARGET'], folder, {
      WALSHIP_RETRY_FOR: '6',
    })
    expect(await readFetchCommand(host)).toMatchObject({
      name: 'NAME',
      target: 'TARGET',
      prefetchCount: 3,
      retryForMs: 6000,
      values: { store: 's3://bucket/file' },
    })
  })

  it.each([
    [
      'directry: /wal',
      'unknown option "directry" in configuration file "FILE", line 1',
      'did you mean "directory"?',
    ],
    [
      'directory: /wal\n\nzzz: 1',
      'unknown option "zzz" in configuration file "FILE", line 3',
      'use the long names',
    ],
    ['config: other.yaml', 'unknown option "config"', ''],
    ['create-slot: on', 'unknown option "create-slot"', ''],
    ['cluster: main', 'unknown option "cluster"', ''],
    ['directory: [a, b]', 'option "directory" in configuration file "FILE", line 1 is no single value', ''],
    ['- directory', 'configuration file "FILE" is no mapping', 'option: value'],
    ['directory: a\ndirectory: b', 'invalid YAML in configuration file "FILE", line 2: duplicate key', ''],
    ['directory: "a', 'invalid YAML in configuration file "FILE", line 1: missing char', ''],
    [
      'directory: a\nverbose: maybe',
      'invalid value for option "verbose" in configuration file "FILE", line 2',
      '',
    ],
    [
      'directory: a\nstatus-interval: x',
      'invalid value "x" for option',
      'comes from "status-interval" in configuration file "FILE", line 2',
    ],
  ])('%j: %s', async (text, message, hint) => {
    const err = await mistakeIn(text)
    expect(err).toContain(`walship: error: ${message}`)
    expect(err).toContain(hint)
  })

  it.each(['s3-secret-access-key: SESAME', 'password: SESAME', 'pgpassword: SESAME', 'directory: "SESAME'])(
    'does not repeat what may be a secret: %s',
    async (text) => {
      const err = await mistakeIn(text)
      expect(err).toContain('FILE')
      expect(err).not.toContain('SESAME')
    },
  )

  it.each([['--config', 'walship.yaml'], ['--config=walship.yaml'], ['--conf', 'walship.yaml']])(
    'gives segments that were fetched ahead another place when it changes: %s %s',
    async (...words) => {
      const host = new FakeFetchHost(words, folder)
      const spool = () => spoolFor(host, 'pg_wal/RECOVERYXLOG', undefined, words)?.directory
      await writeFile(path, 'store: s3://one\n')
      const first = spool()
      expect(spool()).toBe(first)
      await writeFile(path, 'store: s3://two\n')
      expect(spool()).not.toBe(first)
    },
  )

  it('that is not there is an error', async () => {
    const host = new FakeHost(['receive', '--config', '/nonexistent/walship.yaml'], { invokedAs: 'walship' })
    expect(await runWalship(host)).toBe(2)
    expect(host.err).toContain('could not read configuration file "/nonexistent/walship.yaml": No such file')
  })
})

describe('clusters of a configuration file', () => {
  const TWO = `slot: walship
store-compression: gzip
clusters:
  main:
    directory: /wal/main
    dbname: host=db1
    store: s3://bucket/main
  billing:
    directory: /wal/billing
    dbname: host=db2
    slot: billing
    uploads: 9
    store: s3://bucket/billing
`

  it('have what stands at the top, their own over it, variables over that and the command line over all', async () => {
    const command = await read(TWO, '--status-interval 3', {
      WALSHIP_STATUS_INTERVAL: '4',
      WALSHIP_USERNAME: 'all',
    })
    expect(command).toMatchObject({
      kind: 'receive-clusters',
      clusters: [
        {
          name: 'main',
          values: { directory: '/wal/main', slot: 'walship', username: 'all', 'status-interval': '3' },
          shipping: { store: 's3://bucket/main', uploads: 4, values: { 'store-compression': 'gzip' } },
        },
        { name: 'billing', values: { slot: 'billing', 'no-password': true }, shipping: { uploads: 9 } },
      ],
    })
  })

  it('share the uploads that one process may have', async () => {
    const names = Array.from({ length: 20 }, (_, index) => `c${index}`)
    const clusters = names.map((name) => `  ${name}: {directory: /wal/${name}, store: s3://bucket/${name}}`)
    const command = await read(`clusters:\n${clusters.slice(0, 8).join('\n')}\n`)
    expect(command).toMatchObject({ clusters: Array(8).fill({ shipping: { uploads: 2 } }) })
    const many = await read(`clusters:\n${clusters.join('\n')}\n`)
    expect(many).toMatchObject({ clusters: Array(20).fill({ shipping: { uploads: 1 } }) })
  })

  it('can be one of them', async () => {
    expect(await read(TWO, '--cluster billing -D /elsewhere')).toMatchObject({
      kind: 'receive-clusters',
      clusters: [{ name: 'billing', values: { directory: '/elsewhere' }, shipping: { uploads: 9 } }],
    })
  })

  it('serve commands that are about one', async () => {
    await writeFile(path, TWO)
    const command = (words: string) =>
      readWalshipCommandLine(
        new FakeHost([...words.split(' '), '--config', path], { invokedAs: 'walship' }),
        'walship',
      )
    expect(await command('slot create --cluster billing')).toMatchObject({
      values: { slot: 'billing', dbname: 'host=db2' },
    })
    await expect(command('verify --store s3://x')).rejects.toMatchObject({
      hint: 'choose by --cluster or WALSHIP_CLUSTER: main, billing',
    })
    await expect(command('slot create --cluster biling')).rejects.toMatchObject({
      hint: 'did you mean "billing"?',
    })
    const host = new FakeFetchHost(['--config', path, '--cluster', 'main', 'NAME', 'TARGET'], folder)
    expect(await readFetchCommand(host)).toMatchObject({
      values: { store: 's3://bucket/main', 'store-compression': 'gzip' },
    })
  })

  const one = (...lines: string[]) =>
    `clusters:\n  a:\n    directory: /a\n${lines.map((line) => `    ${line}\n`).join('')}`
  it.each([
    ['clusters: []', '"clusters" in configuration file "FILE", line 1 names no cluster', 'write a name'],
    ['clusters:', '"clusters" in configuration file "FILE", line 1 names no cluster', ''],
    ['clusters:\n  a b:\n    slot: x', 'invalid name of a cluster in configuration file "FILE", line 2', ''],
    ['clusters:\n  a: x', '"clusters.a" in configuration file "FILE", line 2 is no mapping', ''],
    ['cluster:\n  a:\n', 'unknown option "cluster" in configuration file "FILE", line 1', '"clusters"?'],
    [
      one('directry: /b'),
      'unknown option "clusters.a.directry" in configuration file "FILE", line 4',
      'did you mean "clusters.a.directory"?',
    ],
    [
      one('http: 9187'),
      'option "clusters.a.http" in configuration file "FILE", line 4 is not one of a cluster',
      'write "http" at the top',
    ],
    [
      one('store: s3://b', 'uploads: 99'),
      'cluster "a": invalid value "99" for option --uploads ("clusters.a.uploads" in configuration file "FILE", line 5)',
      'from 1 to 64',
    ],
    [`uploads: 99\n${one('store: s3://b')}`, '("uploads" in configuration file "FILE", line 1)', ''],
    [
      one('store: s3://b', 's3-attempts: x'),
      '("clusters.a.s3-attempts" in configuration file "FILE", line 5)',
      '',
    ],
    [one('status-interval: x'), 'invalid value "x"', 'comes from "clusters.a.status-interval"'],
    ['clusters:\n  a:\n    slot: x', 'cluster "a": no target directory specified', ''],
    [one('compress: lzma'), 'cluster "a": unrecognized compression algorithm', ''],
    [one('dbname: host=a hots=b'), 'cluster "a": invalid connection option "hots"', ''],
    [one('password: on'), 'cluster "a": --password asks a person', 'passfile=FILE'],
    [`${one('slot: x')}  b:\n    directory: /a\n`, 'clusters "a" and "b" have the same directory "/a"', ''],
    [
      `dbname: host=one,two\nslot: s\n${one()}  b:\n    directory: /b\n    dbname: host=TWO\n`,
      'clusters "a" and "b" have the same slot "s" on the same server, two:5432',
      'a slot admits one receiver',
    ],
    [
      `${one('store: s3://b/x')}  b:\n    directory: /b\n    store: s3://b/x/\n`,
      'clusters "a" and "b" have the same store',
      'a prefix of its own',
    ],
  ])('%j: %s', async (text, message, hint) => {
    const err = await mistakeIn(text)
    expect(err).toContain(message)
    expect(err).toContain(hint)
  })

  it.each(['host=h password=SESAME', 'postgresql://u:SESAME@h/', 'host=h sslpassword=SESAME'])(
    'may not hold a password: %s',
    async (dsn) => {
      for (const text of [`dbname: ${dsn}\ndirectory: /a\n`, one(`dbname: ${dsn}`)]) {
        const err = await mistakeIn(text)
        expect(err).toContain('holds a secret')
        expect(err).toContain('passfile=FILE')
        expect(err).not.toContain('SESAME')
      }
    },
  )

  it.each(['-D /wal', '-h db', '--store s3://b/x'])('cannot all have %s', async (words) => {
    await expect(read(TWO, words)).rejects.toMatchObject({
      message: expect.stringContaining('cannot be meant for several clusters'),
    })
    const [name, value] = words.startsWith('-h') ? ['WALSHIP_HOST', 'db'] : ['WALSHIP_STORE', 's3://b/x']
    await expect(read(TWO, '', { [name]: value })).rejects.toMatchObject({
      message: `${name} cannot be meant for several clusters`,
    })
  })

  it('are not there to choose from without a file', async () => {
    const host = new FakeHost(['receive', '-D', '/wal', '--cluster', 'a'], { invokedAs: 'walship' })
    expect(await runWalship(host)).toBe(2)
    expect(host.err).toContain('--cluster needs a file to be named by --config')
  })
})
