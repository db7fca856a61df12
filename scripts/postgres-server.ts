/**
 * A PostgreSQL server of one's own for a test, the demo or a bench: in a temporary folder, on the loopback
 * address and a Unix socket, run by an unprivileged user when this process is root. Nothing of it is left
 * after dispose, nor after the death of this process.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { appendFile, chmod, chown, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import {
  ensurePostgres,
  NEWEST_POSTGRES_MAJOR,
  type PostgresBinaries,
  unprivilegedUser,
} from './postgres-binaries.js'
import { copyDataDirectory, copyRunningServer, giveTo } from './postgres-copies.js'
import { killWithChildren, readPidFile, Watchdog } from './postgres-processes.js'
import { waitFor } from './wait-for.js'

const START_TIMEOUT_MS = 60_000
const STOP_TIMEOUT_MS = 60_000
const PORT_ATTEMPTS = 5
const STOP_SIGNALS = { smart: 'SIGTERM', fast: 'SIGINT', immediate: 'SIGQUIT' } as const

export type StopMode = keyof typeof STOP_SIGNALS
export type Settings = Readonly<Record<string, string | number | boolean>>

export interface PostgresServerOptions {
  /** Server major; the newest by default. */
  readonly major?: number
  /** Other binaries than the npm ones, for example a distribution's. */
  readonly binaries?: PostgresBinaries
  /** WAL segment size in MB (initdb --wal-segsize, server 11 and newer). */
  readonly segmentSizeMb?: number
  /** Lines of postgresql.conf. fsync is off unless it is set here. */
  readonly settings?: Settings
  /** The whole pg_hba.conf; by default everyone on this machine is trusted, for replication too. */
  readonly hba?: string
  readonly initdbArgs?: readonly string[]
  /** An existing data directory (a cold copy) to use in place of a new cluster; it stays after dispose. */
  readonly dataDirectory?: string
}

export class PostgresServer implements AsyncDisposable {
  readonly major: number
  /** Folder with initdb, pg_ctl and postgres. */
  readonly bin: string
  /** The temporary folder that holds everything of this server. */
  readonly root: string
  readonly dataDirectory: string
  /** For PGHOST or host=: the server listens there too. */
  readonly socketDirectory: string
  readonly host = '127.0.0.1'
  readonly user = 'postgres'
  readonly #watchdog: Watchdog
  #port = 0
  #process: ChildProcess | null = null

  private constructor(binaries: PostgresBinaries, root: string, dataDirectory: string) {
    this.major = binaries.major
    this.bin = binaries.bin
    this.root = root
    this.dataDirectory = dataDirectory
    this.socketDirectory = join(root, 's')
    this.#watchdog = new Watchdog(root)
  }

  /** Makes a cluster (or takes over `dataDirectory`) and configures it. It is not running yet. */
  static async create(options: PostgresServerOptions = {}): Promise<PostgresServer> {
    const binaries = options.binaries ?? (await ensurePostgres(options.major ?? NEWEST_POSTGRES_MAJOR))
    const root = await mkdtemp(join(tmpdir(), 'walship-pg-'))
    const server = new PostgresServer(binaries, root, options.dataDirectory ?? join(root, 'data'))
    try {
      await mkdir(server.socketDirectory)
      await giveTo(unprivilegedUser(), root)
      if (options.dataDirectory === undefined) await server.#initdb(options)
      else await giveTo(unprivilegedUser(), options.dataDirectory)
      await server.configure({ ...DEFAULT_SETTINGS, ...options.settings })
      await server.writeHba(options.hba ?? TRUST_EVERYONE)
      return server
    } catch (error) {
      await server[Symbol.asyncDispose]()
      throw error
    }
  }

  /** A server that is already running: create and start in one. */
  static async launch(options: PostgresServerOptions = {}): Promise<PostgresServer> {
    const server = await PostgresServer.create(options)
    try {
      await server.start()
      return server
    } catch (error) {
      await server[Symbol.asyncDispose]()
      throw error
    }
  }

  get port(): number {
    return this.#port
  }

  /** The postmaster's process id while it runs. */
  get pid(): number | undefined {
    return this.#process?.pid
  }

  /** A conninfo string for this server, over TCP. */
  get dsn(): string {
    return `host=${this.host} port=${this.#port} user=${this.user} dbname=postgres`
  }

  get walDirectory(): string {
    return join(this.dataDirectory, 'pg_wal')
  }

  /** Starts the server and returns when it accepts connections (a standby: when it is consistent). */
  async start(): Promise<void> {
    const keepPort = this.#port !== 0
    for (let attempt = 1; ; attempt++) {
      if (!keepPort) this.#port = await freePort()
      const logBefore = (await this.log()).length
      this.#process = this.#spawn()
      try {
        await this.#untilReady(this.#process)
        return
      } catch (error) {
        await this.kill()
        const portTaken = /could not bind/.test((await this.log()).slice(logBefore))
        if (keepPort || !portTaken || attempt === PORT_ATTEMPTS) throw error
      }
    }
  }

  /** Shuts the server down and returns when its last process has ended. */
  async stop(mode: StopMode = 'fast', timeoutMs = STOP_TIMEOUT_MS): Promise<void> {
    const child = this.#process
    if (child === null) return
    child.kill(STOP_SIGNALS[mode])
    await waitFor(`the server to stop (${mode})`, () => !isRunning(child), timeoutMs)
    this.#process = null
  }

  async restart(mode: StopMode = 'fast'): Promise<void> {
    await this.stop(mode)
    await this.start()
  }

  /** SIGKILL for all of the server's processes. The data directory stays as it is at that moment. */
  async kill(): Promise<void> {
    if (this.#process === null) return
    await killWithChildren(this.#process, this.dataDirectory)
    this.#process = null
  }

  /** Ends recovery: a standby becomes a primary on the next timeline. */
  async promote(): Promise<void> {
    await this.#run('pg_ctl', ['promote', '-D', this.dataDirectory, '-w', '-s'])
    await waitFor('the end of recovery', async () => {
      const [row] = await this.query<{ recovering: boolean }>('SELECT pg_is_in_recovery() AS recovering')
      return row?.recovering === false
    })
  }

  /** A new streaming standby of this running server, copied from it and started. */
  async createStandby(settings: Settings = {}): Promise<PostgresServer> {
    const binaries = { major: this.major, bin: this.bin }
    const root = await mkdtemp(join(tmpdir(), 'walship-pg-'))
    const standby = new PostgresServer(binaries, root, join(root, 'data'))
    try {
      await mkdir(standby.socketDirectory)
      await copyRunningServer(this, standby.dataDirectory)
      await giveTo(unprivilegedUser(), root)
      await standby.configure({ unix_socket_directories: standby.socketDirectory, ...settings })
      await standby.recover({ primary_conninfo: `${this.dsn} application_name=standby` }, 'standby')
      await standby.start()
      return standby
    } catch (error) {
      await standby[Symbol.asyncDispose]()
      throw error
    }
  }

  /** Copies the data directory of this stopped server to `target`, a path that does not exist yet. */
  async coldCopy(target: string): Promise<void> {
    if (this.#process !== null) throw new Error('a cold copy needs a stopped server')
    await copyDataDirectory(this.dataDirectory, target)
  }

  /**
   * Makes the next start an archive recovery with these settings (restore_command, recovery_target_...), as
   * a standby or up to a promotion. Before server 12 they live in recovery.conf.
   */
  async recover(settings: Settings, until: 'standby' | 'promotion'): Promise<void> {
    if (this.major >= 12) {
      await this.configure(settings)
      await this.addFile(
        join(this.dataDirectory, until === 'standby' ? 'standby.signal' : 'recovery.signal'),
        '',
      )
      return
    }
    const mode = { standby_mode: until === 'standby', recovery_target_timeline: 'latest' }
    await this.addFile(join(this.dataDirectory, 'recovery.conf'), settingLines({ ...mode, ...settings }))
  }

  /** Adds lines to postgresql.conf; `reload` or a restart makes them count. */
  async configure(settings: Settings): Promise<void> {
    await appendFile(join(this.dataDirectory, 'postgresql.conf'), settingLines(settings))
  }

  async writeHba(lines: string): Promise<void> {
    await writeFile(join(this.dataDirectory, 'pg_hba.conf'), lines)
  }

  async reload(): Promise<void> {
    await this.query('SELECT pg_reload_conf()')
  }

  /** Writes a file that the server's user owns, at an absolute path or one below `root`; returns the path. */
  async addFile(path: string, content: string | Uint8Array, mode = 0o600): Promise<string> {
    const whole = resolve(this.root, path)
    await writeFile(whole, content)
    await chmod(whole, mode)
    const user = unprivilegedUser()
    if (user !== null) await chown(whole, user.uid, user.gid)
    return whole
  }

  /** A connection as the superuser. The caller ends it. */
  async connect(database = 'postgres'): Promise<pg.Client> {
    const client = new pg.Client({ host: this.host, port: this.#port, user: this.user, database })
    // A killed server breaks idle connections; without a listener that would end this process.
    client.on('error', () => undefined)
    await client.connect()
    return client
  }

  /** One statement on a connection of its own; its rows. */
  async query<Row = Record<string, unknown>>(sql: string, parameters: unknown[] = []): Promise<Row[]> {
    const client = await this.connect()
    try {
      return (await client.query(sql, parameters)).rows as Row[]
    } finally {
      await client.end()
    }
  }

  /** The first column of the only row, as text. */
  async value(sql: string, parameters: unknown[] = []): Promise<string> {
    const [row] = await this.query(sql, parameters)
    return String(Object.values(row ?? {})[0])
  }

  /** What the server has logged so far. */
  async log(): Promise<string> {
    return readFile(this.#logFile, 'utf8').catch(() => '')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.stop('immediate', 10_000).catch(() => this.kill())
      await rm(this.root, { recursive: true, force: true })
    } finally {
      await this.#watchdog.end()
    }
  }

  get #logFile(): string {
    return join(this.root, 'log')
  }

  async #initdb(options: PostgresServerOptions): Promise<void> {
    const args = ['-D', this.dataDirectory, '-U', this.user, '-A', 'trust', '-E', 'UTF8', '--locale=C', '-N']
    if (options.segmentSizeMb !== undefined) args.push(`--wal-segsize=${options.segmentSizeMb}`)
    await this.#run('initdb', [...args, ...(options.initdbArgs ?? [])])
    await this.configure({ unix_socket_directories: this.socketDirectory })
  }

  async #run(program: 'initdb' | 'pg_ctl', args: string[]): Promise<void> {
    await promisify(execFile)(join(this.bin, program), args, this.#spawnOptions())
  }

  #spawn(): ChildProcess {
    const log = openSync(this.#logFile, 'a')
    try {
      // The socket directory goes here too: a data directory taken over names the one of its old server.
      const args = ['-D', this.dataDirectory, '-p', String(this.#port), '-k', this.socketDirectory]
      return spawn(join(this.bin, 'postgres'), args, {
        ...this.#spawnOptions(),
        stdio: ['ignore', log, log],
        detached: true,
      })
    } finally {
      closeSync(log)
    }
  }

  #spawnOptions(): { cwd: string; uid?: number; gid?: number; env: NodeJS.ProcessEnv } {
    const user = unprivilegedUser()
    const env = { PATH: process.env.PATH, LC_ALL: 'C', TZ: 'UTC' }
    return { cwd: this.root, env, ...(user === null ? {} : { uid: user.uid, gid: user.gid }) }
  }

  async #untilReady(child: ChildProcess): Promise<void> {
    let failure: Error | undefined
    child.once('error', (error) => {
      failure = error
    })
    await waitFor(
      'the server to accept connections',
      async () => {
        if (failure !== undefined) throw failure
        if (!isRunning(child)) throw new Error(`the server did not start:\n${await this.log()}`)
        const file = await readPidFile(this.dataDirectory)
        return file?.pid === child.pid && (file?.status === 'ready' || file?.status === 'standby')
      },
      START_TIMEOUT_MS,
    )
  }
}

const DEFAULT_SETTINGS: Settings = {
  listen_addresses: '127.0.0.1',
  wal_level: 'replica',
  max_wal_senders: 10,
  max_replication_slots: 10,
  max_connections: 40,
  shared_buffers: '32MB',
  // Files inside the data directory instead of /dev/shm, where a killed server would leave them.
  dynamic_shared_memory_type: 'mmap',
  hot_standby: true,
  log_replication_commands: true,
  log_line_prefix: '%m [%p] ',
  fsync: false,
}

const TRUST_EVERYONE = `
local all         all                trust
host  all         all 127.0.0.1/32   trust
local replication all                trust
host  replication all 127.0.0.1/32   trust
`

function settingLines(settings: Settings): string {
  return Object.entries(settings)
    .map(([name, value]) => `${name} = '${String(value).replaceAll("'", "''")}'\n`)
    .join('')
}

function isRunning(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null
}

/** A free port below the range the system hands out for outgoing connections, so that none is lost to one. */
async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000)
    const probe = createServer()
    const outcome = once(probe, 'listening').then(
      () => true,
      () => false,
    )
    probe.listen(port, '127.0.0.1')
    const free = await outcome
    if (free) {
      probe.close()
      return port
    }
  }
}
