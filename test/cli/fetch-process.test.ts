import { spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { SYSTEM_IDENTIFIER, segmentBytes, segmentNamed } from '../restore/known-segments.js'

const PROJECT = fileURLToPath(new URL('../..', import.meta.url))
const root = mkdtempSync(join(tmpdir(), 'walship-fetch-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

function run(
  script: string,
  args: readonly string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
) {
  const { status, signal, stderr } = spawnSync(process.execPath, [script, ...args], {
    encoding: 'utf8',
    cwd: options.cwd ?? root,
    env: { PATH: process.env.PATH, ...options.env },
  })
  return { status, signal, err: stderr }
}

/** A copy of bin beside a program of our making. */
function packageWith(name: string, program: string | null): string {
  const folder = join(root, name)
  cpSync(join(PROJECT, 'bin'), join(folder, 'bin'), { recursive: true })
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
  mkdirSync(join(folder, 'dist/cli'), { recursive: true })
  if (program !== null) writeFileSync(join(folder, 'dist/cli/fetch.js'), program)
  return join(folder, 'bin/walship')
}

describe('a program that breaks, as restore_command', () => {
  it.each([
    ['is not there', null],
    ['cannot be parsed', 'this is no program'],
    ['imports what is not there', `import './gone.js'; export const fetch = () => 0`],
    ['lacks its function', 'export const nothing = 1'],
    ['throws', 'export async function fetch() { throw new Error("x") }'],
    [
      'throws later',
      'export function fetch() { setImmediate(() => { throw new Error("x") }); return new Promise(() => { setTimeout(() => {}, 1e6) }) }',
    ],
    [
      'rejects where nobody looks',
      'export function fetch() { Promise.reject(new Error("x")); return new Promise(() => { setTimeout(() => {}, 1e6) }) }',
    ],
    ['never answers', 'export const fetch = () => new Promise(() => {})'],
    ['exits on its own', 'export const fetch = () => process.exit(0)'],
    ['exits with 1 on its own', 'export const fetch = () => process.exit(1)'],
  ])('never says "not in the archive": it %s', (what, program) => {
    const script = packageWith(what.replaceAll(' ', '-'), program)
    expect(run(script, ['fetch', 'a', 'b']).status).toBe(200)
    // A server that is process 1 inherits this one, and takes a failure of it for a crash of its own.
    expect(run(script, ['fetch-ahead', 'a', 'b']).status).toBe(0)
  })

  it('and one that answers says what it says', () => {
    for (const status of [0, 1, 200])
      expect(
        run(packageWith(`says-${status}`, `export const fetch = async () => ${status}`), ['fetch']).status,
      ).toBe(status)
  })
})

const isBuilt = existsSync(join(PROJECT, 'dist/cli/fetch.js'))
if (!isBuilt)
  console.warn('!! the program is not built (npm run build): NO TEST of what a fetch loads is run')

describe.skipIf(!isBuilt)('a segment that was fetched ahead', () => {
  it('is served with nothing loaded but what that takes', () => {
    const data = join(root, 'data')
    for (const folder of ['global', 'pg_wal']) mkdirSync(join(data, folder), { recursive: true })
    writeFileSync(
      join(data, 'global/pg_control'),
      new Uint8Array(new BigUint64Array([SYSTEM_IDENTIFIER]).buffer),
    )
    const walship = join(PROJECT, 'bin/walship')
    const args = [
      'fetch',
      '--store',
      'file:///nowhere/at/all',
      '--retry-for',
      '0',
      segmentNamed(1),
      'pg_wal/RECOVERYXLOG',
    ]
    // Makes the spool, and has no store to fetch from.
    expect(run(walship, args, { cwd: data }).status).toBe(200)
    const parent = join(data, 'pg_wal/walship-fetch')
    const spool = join(parent, readdirSync(parent)[0]!)
    writeFileSync(join(spool, segmentNamed(1)), segmentBytes(segmentNamed(1)))
    writeFileSync(join(spool, 'prefetch.lock'), String(process.pid))

    const coverage = join(root, 'loaded')
    const { status, err } = run(walship, args, { cwd: data, env: { NODE_V8_COVERAGE: coverage } })
    expect({ status, err }).toEqual({ status: 0, err: '' })
    expect(readFileSync(join(data, 'pg_wal/RECOVERYXLOG')).equals(segmentBytes(segmentNamed(1)))).toBe(true)
    const [report] = readdirSync(coverage)
    const loaded: string[] = JSON.parse(readFileSync(join(coverage, report!), 'utf8')).result.map(
      ({ url }: { url: string }) => url,
    )
    expect(loaded.filter((url) => url.includes('node_modules'))).toEqual([])
    const rooms = new Set(loaded.flatMap((url) => /\/dist\/(\w+)\//.exec(url)?.[1] ?? []))
    expect([...rooms].sort()).toEqual(['cli', 'restore', 'wal'])
    const cli = loaded.flatMap((url) => /\/dist\/cli\/(.*)$/.exec(url)?.[1] ?? []).sort()
    expect(cli).toEqual(['fetch-from-spool.js', 'fetch-spool.js', 'fetch-status.js', 'fetch.js'])
  })
})
