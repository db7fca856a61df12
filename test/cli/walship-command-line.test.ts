import { describe, expect, it } from 'vitest'
import { RECEIVE_OPTIONS } from '../../src/cli/receive-options.js'
import { runWalship } from '../../src/cli/walship.js'
import { readWalshipCommandLine } from '../../src/cli/walship-command-line.js'
import { FakeHost } from './fake-host.js'

const invokedAs = 'walship'

function read(line: string, environment: Record<string, string> = {}) {
  const args = line === '' ? [] : line.split(' ')
  return readWalshipCommandLine(new FakeHost(args, { invokedAs, environment }), 'walship')
}

async function run(line: string, environment: Record<string, string> = {}) {
  const host = new FakeHost(line === '' ? [] : line.split(' '), { invokedAs, environment })
  const status = await runWalship(host)
  return { status, out: host.out, err: host.err }
}

describe('walship command line', () => {
  it('reads the options of status and slot list', async () => {
    expect(await read('status --json --watch --interval 0.5 -h db')).toEqual({
      kind: 'monitor',
      what: 'status',
      values: { host: 'db' },
      json: true,
      watch: true,
      intervalMs: 500,
    })
    expect(await read('slot list')).toMatchObject({
      what: 'slots',
      json: false,
      watch: false,
      intervalMs: 2000,
    })
    expect((await run('status --interval 0')).err).toContain('invalid value "0" for option --interval')
    expect((await run('status now')).err).toContain('too many command-line arguments (first is "now")')
  })

  it('takes no time over a word that no pattern fits', async () => {
    const word = `-U${'['.repeat(6000)}${'\r'.repeat(3000)}`
    await expect(
      readWalshipCommandLine(new FakeHost(['slot', 'create', '-h', 'x', word], { invokedAs }), 'walship'),
    ).rejects.toThrow('an option has a line break in its name')
    expect(await read('slot list --dbname=host=x\nuser=y')).toMatchObject({
      values: { dbname: 'host=x\nuser=y' },
    })
  })

  it('reads the rules of prune, of which two may be repeated', async () => {
    expect(
      await read(
        'prune --store file:///a --keep-for 14d --backup /a,b --backup=/c --backup-lsn 0/3000028 --backup-lsn 2@1/0 --apply',
      ),
    ).toMatchObject({
      kind: 'prune',
      settings: {
        source: { kind: 'archive', url: 'file:///a' },
        keepForMs: 14 * 86_400_000,
        keepBackups: null,
        backups: ['/a,b', '/c'],
        backupPositions: [
          { lsn: 0x3000028n, timeline: null },
          { lsn: 0x1_0000_0000n, timeline: 2 },
        ],
        before: null,
        apply: true,
        ignoreGaps: false,
      },
    })
    expect(await read('prune -D /d --before-segment 00000001000000000000000A.partial')).toMatchObject({
      settings: { before: { segmentName: '00000001000000000000000A' }, apply: false },
    })
    expect(await read('prune -D /d -D /e --before 0/A --before 0/B')).toMatchObject({
      settings: { source: { path: '/e' }, before: { lsn: 0xbn } },
    })
    for (const [line, text] of [
      ['prune -D /d', 'no rule says what is to be kept'],
      ['prune --before 0/1', 'no place was named'],
      ['prune -D /d --keep-for 14', 'invalid value "14" for option --keep-for'],
      ['prune -D /d --keep-for 0d', 'invalid value "0d" for option --keep-for'],
      ['prune -D /d --keep-backups 0', 'invalid value "0" for option --keep-backups'],
      ['prune -D /d --backup-lsn 0@0/1', 'invalid value "0@0/1" for option --backup-lsn'],
      ['prune -D /d --backup-lsn x', 'invalid value "x" for option --backup-lsn'],
      ['prune -D /d --before 0', 'invalid value "0" for option --before'],
      ['prune -D /d --before-segment 0A', 'invalid value "0A" for option --before-segment'],
      ['prune -D /d --before 0/1 --before-segment x', 'cannot use --before together with --before-segment'],
    ])
      expect((await run(line!)).err).toContain(text)
  })

  it('reads the options of receive', async () => {
    expect(
      await read('receive -D x --no-loop -vZ gzip:3 -s=5 --endpos 0/0 -h db --log-level warn'),
    ).toMatchObject({
      kind: 'receive',
      values: {
        directory: 'x',
        'no-loop': true,
        verbose: true,
        compress: 'gzip:3',
        'status-interval': '5',
        endpos: '0/0',
        host: 'db',
      },
      log: { format: undefined, level: 'warn' },
    })
  })

  it('takes every option of pg_receivewal but help and version as it is', async () => {
    for (const { name, argument } of RECEIVE_OPTIONS) {
      if (['help', 'version', 'create-slot', 'drop-slot'].includes(name)) continue
      const value = { 'status-interval': '7', endpos: '0/5' }[name as string] ?? 'value'
      const given = argument === undefined ? `--${name}` : `--${name} ${value}`
      const command = await read(`receive -D x ${given}`)
      expect(command).toMatchObject({ kind: 'receive', values: { [name]: argument === undefined || value } })
    }
  })

  it('lets the last value of a repeated option win', async () => {
    expect(await read('receive -D x -D y -W -w')).toMatchObject({ values: { directory: 'y' } })
  })

  it('reads variables, below the command line', async () => {
    const environment = {
      WALSHIP_DIRECTORY: '/var/wal',
      WALSHIP_SLOT: 'from-environment',
      WALSHIP_SYNCHRONOUS: 'on',
      WALSHIP_NO_LOOP: 'FALSE',
      WALSHIP_HOST: '',
      WALSHIP_LOG_FORMAT: 'pretty',
      WALSHIP_NO_PASSWORD: '1',
    }
    const command = await read('receive --slot mine -W', environment)
    expect(command).toMatchObject({ log: { format: 'pretty' } })
    expect('values' in command && command.values).toEqual({
      directory: '/var/wal',
      slot: 'mine',
      synchronous: true,
      'no-loop': false,
      password: true,
    })
  })

  it.each([
    ['slot create s1 --if-not-exists', { slot: 's1', 'create-slot': true, 'if-not-exists': true }],
    ['slot create --slot s1', { slot: 's1', 'create-slot': true }],
    ['slot drop s1 -d host=db', { slot: 's1', 'drop-slot': true, dbname: 'host=db' }],
    ['receive --create-slot -S s1', { slot: 's1', 'create-slot': true }],
    ['receive --drop-slot -S s1', { slot: 's1', 'drop-slot': true }],
  ])('%s is a slot action', async (line, values) => {
    expect(await read(line)).toEqual({ kind: 'slot', values })
  })

  it.each([
    ['', 'no command specified'],
    ['recieve', 'unknown command "recieve"', 'did you mean "receive"?'],
    ['slot', 'unknown command "slot"'],
    ['slot creat x', 'unknown command "slot"', 'did you mean "slot create"?'],
    ['receive --directry=x', 'unknown option --directry', 'did you mean --directory?'],
    ['receive --no-lop', 'unknown option --no-lop', 'did you mean --no-loop?'],
    ['receive --zzz', 'unknown option --zzz'],
    ['receive -vq', 'unknown option -vq'],
    ['receive --slot', 'option --slot requires an argument'],
    ['receive -D', 'option -D requires an argument'],
    ['receive -D x y', 'too many command-line arguments (first is "y")'],
    ['receive', 'no target directory specified'],
    ['receive -D x --synchronous --no-sync', 'cannot use --synchronous together with --no-sync'],
    ['slot create', 'no slot name specified'],
    ['slot drop s1 s2', 'too many command-line arguments (first is "s2")'],
    ['slot drop s1 --if-not-exists', 'unknown option --if-not-exists'],
  ])('%j: %s', async (line, message, ...hints) => {
    const texts = [`error: ${message}`, ...hints.map((hint) => `hint: ${hint}`)]
    texts.push('hint: Try "walship --help" for more information.')
    expect(await run(line)).toEqual({
      status: 2,
      out: '',
      err: texts.map((text) => `walship: ${text}\n`).join(''),
    })
  })

  it.each<[string, Record<string, string>, string]>([
    ['receive -D x -s y', {}, 'error: invalid value "y" for option -s/--status-interval'],
    ['receive -D x -E y', {}, 'error: could not parse end position "y"'],
    ['receive -D . -Z bad', {}, 'error: unrecognized compression algorithm: "bad"'],
    ['receive -D x --log-level loud', {}, 'error: invalid value "loud" for option --log-level'],
    [
      'receive -D x',
      { WALSHIP_STATUS_INTERVAL: 'y' },
      'hint: the value comes from the environment variable WALSHIP_STATUS_INTERVAL',
    ],
    ['receive -D x', { WALSHIP_VERBOSE: 'maybe' }, 'error: invalid value "maybe" for environment variable'],
    ['receive -D x', { WALSHIP_LOG_FORMAT: 'xml' }, 'hint: use one of json, pretty'],
  ])('%j with %j: %s', async (line, environment, text) => {
    const { status, err } = await run(line, environment)
    expect(status).toBe(2)
    expect(err).toContain(text)
    expect(err).not.toContain('--help')
  })

  it('exits with 1 when the directory is not there', async () => {
    const { status, err } = await run('receive -D /nonexistent/wal')
    expect(status).toBe(1)
    expect(err).toContain(
      'walship: error: could not open directory "/nonexistent/wal": No such file or directory\n',
    )
  })

  it.each(['--help', '-?', 'help'])('%s lists the commands', async (line) => {
    const { status, out } = await run(line)
    expect(status).toBe(0)
    for (const words of ['receive', 'slot create', 'slot drop']) expect(out).toContain(`\n  ${words} `)
  })

  it.each(['receive --help', 'help receive', 'receive -?'])(
    '%s lists the options of receive',
    async (line) => {
      const { status, out } = await run(line)
      expect(status).toBe(0)
      for (const { name } of RECEIVE_OPTIONS) expect(out).toContain(`--${name}`)
      expect(out).toContain('--log-format')
    },
  )

  it.each(['--version', '-V', 'receive --version'])('%s prints our own version', async (line) => {
    expect((await run(line)).out).toMatch(/^walship \d+\.\d+\.\d+\S*\n$/)
  })
})
