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
    ['clusters: []', 'unknown option "clusters"', ''],
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
      'from the configuration file "FILE"',
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
