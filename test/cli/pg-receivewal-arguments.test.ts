import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { runPgReceivewal } from '../../src/cli/pg-receivewal.js'
import { FakeHost } from './fake-host.js'

const directory = mkdtempSync(join(tmpdir(), 'walship-cli-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const HINT = 'pg_receivewal: hint: Try "pg_receivewal --help" for more information.\n'

async function run(...args: string[]): Promise<{ status: number; out: string; err: string }> {
  const host = new FakeHost(args)
  const status = await runPgReceivewal(host)
  return { status, out: host.out, err: host.err }
}

describe('pg_receivewal command line', () => {
  it.each<[string, string[]]>([
    ['too many command-line arguments (first is "x")', ['x', 'y']],
    ['too many command-line arguments (first is "")', ['']],
    ['cannot use --create-slot together with --drop-slot', ['--create-slot', '--drop-slot']],
    ['--create-slot needs a slot to be specified using --slot', ['--create-slot']],
    ['--drop-slot needs a slot to be specified using --slot', ['--drop-slot']],
    ['cannot use --synchronous together with --no-sync', ['--no-sync', '--synchronous']],
    ['no target directory specified', ['-n']],
  ])('says %j with the hint', async (text, args) => {
    expect(await run(...args)).toEqual({ status: 1, out: '', err: `pg_receivewal: error: ${text}\n${HINT}` })
  })

  it.each<[string, string[]]>([
    ['invalid value "5x" for option -s/--status-interval', ['-s', '5x']],
    ['-s/--status-interval must be in range 0..2147483', ['-s', '-1']],
    ['could not parse end position "foo"', ['--endpos=foo']],
    ['unrecognized compression algorithm: "bad"', ['-D', directory, '-Z', 'bad']],
    [
      'invalid compression specification: unrecognized compression option: "foo"',
      ['-D', directory, '-Z', 'lz4:foo'],
    ],
    ['compression with ZSTD is not yet supported', ['-D', directory, '-Z', 'zstd']],
  ])('says %j without a hint', async (text, args) => {
    expect(await run(...args)).toEqual({ status: 1, out: '', err: `pg_receivewal: error: ${text}\n` })
  })

  it.each<[string, string]>([
    ['', 'No such file or directory'],
    [join(directory, 'nope'), 'No such file or directory'],
    [join(directory, 'file'), 'Not a directory'],
  ])('looks whether directory %j opens', async (path, reason) => {
    writeFileSync(join(directory, 'file'), '')
    const { status, err } = await run('-D', path)
    expect(status).toBe(1)
    expect(err.split('\n')[0]).toBe(`pg_receivewal: error: could not open directory "${path}": ${reason}`)
  })

  it('checks values as it meets them, then operands, then combinations, then directory, then compression', async () => {
    const mistakes = ['-s', 'x', 'operand', '--create-slot', '--drop-slot', '--synchronous', '--no-sync']
    expect((await run(...mistakes, '-E', 'y')).err).toContain('invalid value "x"')
    expect((await run('-E', 'y', ...mistakes)).err).toContain('end position "y"')
    expect((await run('-q', ...mistakes)).err).toContain("invalid option -- 'q'")
    expect((await run(...mistakes.slice(2))).err).toContain('(first is "operand")')
    expect((await run(...mistakes.slice(3))).err).toContain('together with --drop-slot')
    expect((await run(...mistakes.slice(4))).err).toContain('--drop-slot needs a slot')
    expect((await run(...mistakes.slice(5), '-Z', 'bad')).err).toContain('together with --no-sync')
    expect((await run('-Z', 'bad')).err).toContain('no target directory')
    expect((await run('-Z', 'bad', '-D', join(directory, 'nope'))).err).toContain('algorithm: "bad"')
  })

  it('looks at the last compression only', async () => {
    const { err } = await run('-D', join(directory, 'nope'), '-Z', 'bad', '-Z', 'lz4')
    expect(err).toContain('could not open directory')
  })

  it('repeats the name as typed in complaints of getopt, and the bare name elsewhere', async () => {
    const host = new FakeHost(['-q'], { invokedAs: './walrecv' })
    expect(await runPgReceivewal(host)).toBe(1)
    expect(host.err).toBe(
      './walrecv: invalid option -- \'q\'\nwalrecv: hint: Try "walrecv --help" for more information.\n',
    )
  })

  it.each(['--version', '--help'])('gives only the hint for %s behind other arguments', async (option) => {
    expect(await run('-n', option)).toEqual({ status: 1, out: '', err: HINT })
  })

  it.each(['-V', '-?'])('does not know %s behind other arguments', async (option) => {
    const { status, err } = await run('-n', option)
    expect(status).toBe(1)
    expect(err).toBe(`pg_receivewal: invalid option -- '${option[1]}'\n${HINT}`)
  })

  it('never repeats a password from the command line', async () => {
    const { err } = await run('postgresql://ada:hunter2@db/x')
    expect(err).toContain('postgresql://ada:********@db/x')
  })
})
