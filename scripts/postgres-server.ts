/**
 * A PostgreSQL server of one's own for a test, the demo or a bench: in a temporary folder, on the loopback
 * address and a Unix socket, run by an unprivileged user when this process is root. Nothing of it is left
 * after dispose, nor after the death of this process.
 */
import { execFile } from 'node:child_process'
import { appendFile, chmod, chown, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import {
  ensurePostgres,
  NEWEST_POSTGRES_MAJOR,
  type PostgresBinaries,
  unprivilegedUser,
} from './postgres-binaries.js'
import {
  DEFAULT_SETTINGS,
  freePort,
  type Settings,
  settingLines,
  TRUST_EVERYONE,
} from './postgres-configuration.js'
import { copyDataDirectory, copyRunningServer, giveTo } from './postgres-copies.js'
import { PostgresEndpoint } from './postgres-endpoint.js'
import { Postmaster, postgresProcessOptions, type StopMode } from './postgres-postmaster.js'
import { Watchdog } from './postgres-processes.js'
import { waitFor } from './wait-for.js'

const STOP_TIMEOUT_MS = 60_000
const PORT_ATTEMPTS = 5

export type { Settings, StopMode }

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

export class PostgresServer extends PostgresEndpoint implements AsyncDisposable {
  readonly major: number
  /** Folder with initdb, pg_ctl and postgres. */
  readonly bin: string
  /** The temporary folder that holds everything of this server. */
  readonly root: string
  readonly dataDirectory: string
  /** For PGHOST or host=: the server listens there too. */
  readonly socketDirectory: string
  readonly #watchdog: Watchdog
  readonly #postmaster: Postmaster
  #port = 0

  private constructor(binaries: PostgresBinaries, root: string, dataDirectory: string) {
    super()
    this.major = binaries.major
    this.bin = binaries.bin
    this.root = root
    this.dataDirectory = dataDirectory
    this.socketDirectory = join(root, 's')
    this.#watchdog = new Watchdog(root)
    const { bin, socketDirectory } = this
    this.#postmaster = new Postmaster({ bin, root, dataDirectory, socketDirectory })
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
    return this.#postmaster.pid
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
      try {
        await this.#postmaster.start(this.#port)
        return
      } catch (error) {
        const portTaken = /could not bind/.test((await this.log()).slice(logBefore))
        if (keepPort || !portTaken || attempt === PORT_ATTEMPTS) throw error
      }
    }
  }

  /** Shuts the server down and returns when its last process has ended. */
  async stop(mode: StopMode = 'fast', timeoutMs = STOP_TIMEOUT_MS): Promise<void> {
    await this.#postmaster.stop(mode, timeoutMs)
  }

  async restart(mode: StopMode = 'fast'): Promise<void> {
    await this.stop(mode)
    await this.start()
  }

  /** SIGKILL for all of the server's processes. The data directory stays as it is at that moment. */
  async kill(): Promise<void> {
    await this.#postmaster.kill()
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
    if (this.#postmaster.started) throw new Error('a cold copy needs a stopped server')
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

  /** Writes a file that the server's user owns, at an absolute path or one below `root`; returns the path. */
  async addFile(path: string, content: string | Uint8Array, mode = 0o600): Promise<string> {
    const whole = resolve(this.root, path)
    await writeFile(whole, content)
    await chmod(whole, mode)
    const user = unprivilegedUser()
    if (user !== null) await chown(whole, user.uid, user.gid)
    return whole
  }

  /** What the server has logged so far. */
  async log(): Promise<string> {
    return this.#postmaster.log()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.stop('immediate', 10_000).catch(() => this.kill())
      await rm(this.root, { recursive: true, force: true })
    } finally {
      await this.#watchdog.end()
    }
  }

  async #initdb(options: PostgresServerOptions): Promise<void> {
    const args = ['-D', this.dataDirectory, '-U', this.user, '-A', 'trust', '-E', 'UTF8', '--locale=C', '-N']
    if (options.segmentSizeMb !== undefined) args.push(`--wal-segsize=${options.segmentSizeMb}`)
    await this.#run('initdb', [...args, ...(options.initdbArgs ?? [])])
    await this.configure({ unix_socket_directories: this.socketDirectory })
  }

  async #run(program: 'initdb' | 'pg_ctl', args: string[]): Promise<void> {
    await promisify(execFile)(join(this.bin, program), args, postgresProcessOptions(this.root))
  }
}
