/**
 * Memory of many clusters in one process, against a process for each: mostly idle, each with a directory, a slot and a store of
 * its own, all from one server that writes a little. Proportional set size, so that what processes share is counted once.
 * Usage: node --import tsx bench/clusters.ts [--clusters=10] [--seconds=30]
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { PostgresServer } from '../scripts/postgres-server.js'
import { prepare } from '../scripts/prepare.mjs'
import { waitFor } from '../scripts/wait-for.js'
import { markdownTable, median, numberOption, print } from './report.js'

const WALSHIP = fileURLToPath(new URL('../bin/walship', import.meta.url))
const MB = 1024 * 1024

const most = numberOption('clusters', 10)
const seconds = numberOption('seconds', 30)

await prepare()
await using server = await PostgresServer.launch({
  settings: { max_wal_senders: most + 2, max_replication_slots: most + 2, max_wal_size: '2GB' },
})
const home = await mkdtemp(join(tmpdir(), 'walship-bench-clusters-'))
const children: ChildProcess[] = []
process.once('exit', () => children.forEach((child) => void child.kill('SIGKILL')))
const rows: string[][] = []
try {
  rows.push(await measure('1 cluster', [[0]]))
  rows.push(await measure(`${most} clusters in one process`, [range(most)]))
  rows.push(
    await measure(
      `${most} processes`,
      range(most).map((index) => [index]),
    ),
  )
} finally {
  for (const child of children) child.kill('SIGKILL')
  await rm(home, { recursive: true, force: true })
}
print(markdownTable(['', 'idle (MB)', 'after a segment each (MB)', 'most (MB)'], rows))

/** @param processes the clusters of each */
async function measure(name: string, processes: readonly (readonly number[])[]): Promise<string[]> {
  const folder = join(home, String(rows.length))
  const count = processes.flat().length
  // A slot begins at the last checkpoint: nobody has much to catch up with.
  await server.query('SELECT pg_switch_wal()')
  await server.query('CHECKPOINT')
  const running = await Promise.all(
    processes.map((clusters, index) => start(join(folder, String(index)), clusters)),
  )
  await waitFor(`${count} to stream`, async () => {
    return (
      (await server.value(`SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'`)) ===
      String(count)
    )
  })
  const samples: number[] = []
  const watch = async (forMs: number) => {
    const from = samples.length
    for (const end = Date.now() + forMs; Date.now() < end; await sleep(1000)) {
      await server.query(`SELECT pg_logical_emit_message(true, 'bench', 'a little')`)
      samples.push(running.reduce((sum, { pid }) => sum + pssOf(pid!), 0))
    }
    return median(samples.slice(from))
  }
  const idle = await watch(seconds * 1000)
  for (let bytes = 0; bytes < 20 * MB; bytes += MB)
    await server.query(`SELECT pg_logical_emit_message(true, 'bench', repeat(md5(random()::text), 32768))`)
  const after = await watch(seconds * 1000)
  for (const child of running) {
    child.kill('SIGTERM')
    await once(child, 'exit')
  }
  await server.query(`SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots`)
  return [name, ...[idle, after, Math.max(...samples)].map((bytes) => (bytes / MB).toFixed(0))]
}

async function start(folder: string, clusters: readonly number[]): Promise<ChildProcess> {
  let text = `http: 127.0.0.1:0\nensure-slot: on\nmin-free-space: 0\nclusters:\n`
  for (const index of clusters) {
    const [directory, store] = [join(folder, `wal-${index}`), join(folder, `store-${index}`)]
    await mkdir(directory, { recursive: true })
    await mkdir(store)
    text += `  c${index}:\n    directory: ${directory}\n    store: file://${store}\n    slot: bench_${index}\n`
    text += `    dbname: ${server.dsn}\n`
  }
  const path = join(folder, 'walship.yaml')
  await writeFile(path, text)
  const child = spawn(WALSHIP, ['receive', '--config', path, '--log-level', 'error'], { stdio: 'inherit' })
  children.push(child)
  return child
}

function pssOf(pid: number): number {
  return Number(/^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))![1]) * 1024
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index)
}
