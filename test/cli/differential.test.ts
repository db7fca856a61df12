import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { runPgReceivewal } from '../../src/cli/pg-receivewal.js'
import { RECEIVE_OPTIONS } from '../../src/cli/receive-options.js'
import { FakeHost } from './fake-host.js'
import { originalProgram, runOriginal } from './original.js'

const directory = mkdtempSync(join(tmpdir(), 'walship-cli-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

/** Mistakes of all kinds, several of them with more than one, where the order of checks shows. */
const COMMAND_LINES: readonly (readonly string[])[] = [
  [],
  ['--foo=bar'],
  ['--no=3'],
  ['--no-loop=3'],
  ['--p'],
  ['--s', 'x'],
  ['--='],
  ['--v'],
  ['--h'],
  ['--dir'],
  ['-D'],
  ['-nq'],
  ['-', '-q'],
  ['--'],
  ['--', 'x'],
  ['-'],
  ['x', 'y'],
  ['x', '-s', 'y'],
  ['--no-lo', 'x'],
  ['-n', '-V'],
  ['-n', '-?'],
  ['-n', '--help'],
  ['-n', '--version'],
  ['-s', ''],
  ['-s', ' '],
  ['-s', ' 5\t', 'x'],
  ['-s', '+'],
  ['-s', '5x'],
  ['-s-1'],
  ['-s', '2147483', 'x'],
  ['-s', '2147484'],
  ['-s', '99999999999999999999'],
  ['-E', 'foo'],
  ['-E', ''],
  ['-E', '0'],
  ['-E', '0/'],
  ['-E', '0 /0'],
  ['-E', '0/0000a5zzz', 'x'],
  ['-E', ' 0x1/ 2', 'x'],
  ['-s', 'x', '-E', 'y'],
  ['-E', 'y', '-s', 'x'],
  ['--create-slot', '--drop-slot'],
  ['--create-slot'],
  ['--drop-slot', 'x'],
  ['--drop-slot', '--synchronous', '--no-sync'],
  ['--create-slot', '-S', 'x', '--synchronous', '--no-sync'],
  ['--synchron', '--no-sync'],
  ['--create-slot', '-S', 'x', '-Z', 'bad'],
  ['-Z', 'bad'],
  ...[
    'bad',
    'gzip:',
    'gzip:5 ',
    'gzip:0',
    'gzip:10',
    'gzip:level=5,',
    'gzip:level',
    'gzip:level=x',
    '9x',
    '0x5',
  ].map((method) => ['-D', directory, '-Z', method]),
  ...['lz4:13', 'lz4:foo', 'lz4:workers=1', 'none:5', 'zstd', 'zstd:3', 'GZIP', ' gzip', '-2', '11'].map(
    (method) => ['-D', directory, '-Z', method],
  ),
]

/** The original has no hints of ours; the one that points at --help is its own. */
function withoutOwnHints(text: string): string {
  return text.replace(/^pg_receivewal: hint: (?!Try ).*\n/gm, '')
}

describe.skipIf(originalProgram === undefined)('compared with the installed pg_receivewal', () => {
  it.each(COMMAND_LINES.map((args) => ({ line: args.join(' '), args })))('$line', async ({ args }) => {
    const host = new FakeHost(args, { invokedAs: originalProgram! })
    const status = await runPgReceivewal(host)
    expect({ status, out: host.out, err: host.err }).toEqual(runOriginal(args))
  })

  it.each([
    ['', 'ENOENT'],
    ['nope', 'ENOENT'],
    ['file', 'ENOTDIR'],
  ])('directory %j: %s', async (name) => {
    const path = name === '' ? '' : join(directory, name)
    writeFileSync(join(directory, 'file'), '')
    const host = new FakeHost(['-D', path])
    const status = await runPgReceivewal(host)
    expect({ status, out: host.out, err: withoutOwnHints(host.err) }).toEqual(runOriginal(['-D', path]))
  })

  it.each<Record<string, string>>([
    { PG_COLOR: 'always' },
    { PG_COLOR: 'auto' },
    { PG_COLOR: 'always', PG_COLORS: 'error=32:locus=4' },
    { PG_COLOR: 'always', PG_COLORS: 'bad:error=:note=1' },
    { PG_COLOR: 'always', PG_COLORS: '' },
    { PG_COLORS: 'error=32' },
  ])('coloured by %j', async (environment) => {
    const host = new FakeHost(['x'], { environment })
    await runPgReceivewal(host)
    expect(host.err).toBe(runOriginal(['x'], environment).err)
  })

  it('has the same options in its help, in the same places', async () => {
    const host = new FakeHost(['--help'])
    expect(await runPgReceivewal(host)).toBe(0)
    const original = runOriginal(['--help']).out
    expect(optionsOf(host.out)).toEqual(optionsOf(original))
    expect(optionsOf(original)).toHaveLength(RECEIVE_OPTIONS.length + 3)
    expect(headOf(host.out)).toEqual(headOf(original))
  })
})

/** Section headings and options with the names of their arguments, without the descriptions. */
function optionsOf(help: string): string[] {
  return help
    .split('\n')
    .filter((line) => /^( {2}-| {6}--|[A-Z][a-z ]*s:$)/.test(line))
    .map((line) => line.replace(/^(\s*\S+(?: --\S+)?).*$/, '$1'))
}

/** First word of the text, and the usage lines. */
function headOf(help: string): string[] {
  const [first, ...rest] = help.split('\n')
  return [first!.split(' ')[0]!, ...rest.slice(0, 4)]
}
