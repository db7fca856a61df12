/**
 * What a prefetched segment costs the server in recovery: `walship fetch` with the segment ready in its spool, and a
 * bare `node -e 0`, in turns. Usage: node --import tsx bench/fetch.ts [--runs=100]   (after npm run build)
 */
import { spawnSync } from 'node:child_process'
import {
  closeSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { fileURLToPath } from 'node:url'
import { segmentFileName } from '../src/wal/index.js'
import { longPageHeader } from '../test/wal/page-header-bytes.js'
import { markdownTable, numberOption, print } from './report.js'

const WALSHIP = fileURLToPath(new URL('../bin/walship', import.meta.url))
const SEGMENT_SIZE = 16 * 1024 * 1024
const SYSTEM_IDENTIFIER = 7_300_000_000_000_000_001n
const PREFETCH_LOCK_S = 3600

const runs = numberOption('runs', 100)
const root = mkdtempSync(join(tmpdir(), 'walship-bench-fetch-'))
try {
  measure()
} finally {
  rmSync(root, { recursive: true })
}

function measure(): void {
  const data = join(root, 'data')
  for (const folder of ['global', 'pg_wal']) mkdirSync(join(data, folder), { recursive: true })
  writeFileSync(
    join(data, 'global/pg_control'),
    new Uint8Array(new BigUint64Array([SYSTEM_IDENTIFIER]).buffer),
  )
  const store = join(root, 'no-archive')
  const name = (number: number) => segmentFileName(1, BigInt(number), SEGMENT_SIZE)
  const fetch = (number: number) =>
    timed(
      [
        WALSHIP,
        'fetch',
        '--retry-for',
        '0',
        '--store',
        `file://${store}`,
        name(number),
        'pg_wal/RECOVERYXLOG',
      ],
      data,
    )

  // The first call makes the spool. There is no archive behind it: what is not in the spool is an error.
  if (fetch(0).status !== 200) throw new Error('a fetch without an archive should have failed')
  const parent = join(data, 'pg_wal/walship-fetch')
  const spool = join(parent, readdirSync(parent)[0]!)
  // As if a prefetcher were at work, so that none is started; keeping it fed is not what is measured.
  const lock = join(spool, 'prefetch.lock')
  writeFileSync(lock, String(process.pid))
  const later = Date.now() / 1000 + PREFETCH_LOCK_S
  utimesSync(lock, later, later)

  const bare: number[] = []
  const fetched: number[] = []
  for (let number = 1; number <= runs; number++) {
    addSegment(join(spool, name(number)), number)
    bare.push(timed(['-e', '0'], data).ms)
    const { status, ms } = fetch(number)
    if (status !== 0) throw new Error(`fetch of a segment in the spool ended with ${status}`)
    fetched.push(ms)
  }
  const row = (what: string, times: number[]) => [what, ms(quantile(times, 0.5)), ms(quantile(times, 0.9))]
  const more = [0.5, 0.9].map((q) => ms(quantile(fetched, q) - quantile(bare, q)))
  print(`${runs} runs of each, in turns, Node.js ${process.version}\n`)
  print(
    markdownTable(
      ['', 'p50', 'p90'],
      [row('node -e 0', bare), row('walship fetch, prefetched', fetched), ['difference', ...more]],
    ),
  )
}

function addSegment(path: string, number: number): void {
  const header = longPageHeader({
    pageAddress: BigInt(number) * BigInt(SEGMENT_SIZE),
    systemIdentifier: SYSTEM_IDENTIFIER,
    segmentSize: SEGMENT_SIZE,
  })
  const file = openSync(path, 'w', 0o600)
  writeSync(file, header)
  ftruncateSync(file, SEGMENT_SIZE)
  closeSync(file)
}

function timed(args: readonly string[], cwd: string): { status: number | null; ms: number } {
  const start = performance.now()
  const { status } = spawnSync(process.execPath, args, { cwd, stdio: 'ignore' })
  return { status, ms: performance.now() - start }
}

function quantile(times: readonly number[], share: number): number {
  const sorted = [...times].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!
}

function ms(milliseconds: number): string {
  return `${milliseconds.toFixed(1)} ms`
}
