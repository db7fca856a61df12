/** `walship receive` for a bench: what it costs, and what it tells of the archive's end. Linux only: costs come from /proc. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { PostgresServer } from '../scripts/postgres-server.js'
import { type S3Server, s3Environment } from '../scripts/s3-server.js'
import { waitFor } from '../scripts/wait-for.js'
import { INVALID_LSN, type Lsn, parseLsn } from '../src/wal/index.js'

const WALSHIP = fileURLToPath(new URL('../bin/walship', import.meta.url))
const CLOCK_TICKS_PER_SECOND = 100

export interface BenchSetting {
  readonly server: PostgresServer
  readonly store: S3Server
  readonly compression: string
}

/** `walship receive` with a new directory, prefix and slot, and what it has told of the archive's end. */
export class BenchReceiver implements AsyncDisposable {
  static #count = 0
  /** Ends of the archive in the order in which they were told. */
  readonly ends: { readonly at: number; readonly lsn: Lsn }[] = []
  /** End of the last finished segment in the directory. */
  finished = INVALID_LSN
  readonly #child: ChildProcess
  readonly #directory: string
  readonly #slot: string
  readonly #server: PostgresServer

  private constructor(
    { server, store }: BenchSetting,
    directory: string,
    slot: string,
    options: readonly string[],
  ) {
    this.#server = server
    this.#directory = directory
    this.#slot = slot
    const connection = ['-D', directory, '-S', slot, '-d', `${server.dsn} application_name=bench`]
    const log = ['--log-format', 'json', '--log-level', 'debug']
    this.#child = spawn(WALSHIP, ['receive', ...connection, ...log, ...options], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, ...s3Environment(store) },
    })
    process.once('exit', () => this.#child.kill('SIGKILL'))
    createInterface({ input: this.#child.stderr! }).on('line', (line) => this.#read(line))
  }

  static async start(setting: BenchSetting, ...options: string[]): Promise<BenchReceiver> {
    const { server } = setting
    const number = ++BenchReceiver.#count
    const directory = await mkdtemp(join(tmpdir(), 'walship-bench-archive-'))
    await server.query('CHECKPOINT')
    await server.query('SELECT pg_create_physical_replication_slot($1, true)', [`bench_${number}`])
    const receiver = new BenchReceiver(setting, directory, `bench_${number}`, options)
    await waitFor('the receiver to stream', async () => {
      return (await server.value('SELECT count(*) FROM pg_stat_replication')) !== '0'
    })
    return receiver
  }

  /** Options to ship into a prefix of its own. */
  static shipping({ store, compression }: BenchSetting, ...options: string[]): string[] {
    const url = `s3://${store.bucket}/bench-${BenchReceiver.#count + 1}`
    return ['--store', url, '--s3-endpoint', store.endpoint, '--store-compression', compression, ...options]
  }

  get pid(): number {
    return this.#child.pid!
  }

  get cpuSeconds(): number {
    const [, , , , , , , , , , , user, system] = readFileSync(`/proc/${this.pid}/stat`, 'utf8')
      .replace(/\(.*\)/, '')
      .replace(/ {2}/, ' ')
      .split(' ')
      .map(Number)
    return (user! + system!) / CLOCK_TICKS_PER_SECOND
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGTERM')
    await once(this.#child, 'exit')
    await waitFor('the slot to be free', () =>
      this.#server.value('SELECT NOT bool_or(active) FROM pg_replication_slots'),
    )
    await this.#server.query('SELECT pg_drop_replication_slot($1)', [this.#slot])
    await rm(this.#directory, { recursive: true })
  }

  #read(line: string): void {
    const { event, lsn } = JSON.parse(line)
    if (event === 'tail_archived' || event === 'segment_archived')
      this.ends.push({ at: Date.now(), lsn: parseLsn(lsn) })
    if (event === 'segment_finished') this.finished = parseLsn(lsn)
  }
}
