/** The server process of a data directory: how it is started, waited for, stopped and killed. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { unprivilegedUser } from './postgres-binaries.js'
import { killWithChildren, readPidFile } from './postgres-processes.js'
import { waitFor } from './wait-for.js'

const START_TIMEOUT_MS = 60_000
const STOP_SIGNALS = { smart: 'SIGTERM', fast: 'SIGINT', immediate: 'SIGQUIT' } as const

export type StopMode = keyof typeof STOP_SIGNALS

/** Where a postmaster finds its program and its files. */
export interface PostmasterPaths {
  readonly bin: string
  /** Working directory, where the log goes too; the server's user must be able to enter it. */
  readonly root: string
  readonly dataDirectory: string
  readonly socketDirectory: string
}

/** How a program of PostgreSQL is started: as a user it accepts, and with nothing of our own environment. */
export function postgresProcessOptions(root: string): {
  cwd: string
  uid?: number
  gid?: number
  env: NodeJS.ProcessEnv
} {
  const user = unprivilegedUser()
  const env = { PATH: process.env.PATH, LC_ALL: 'C', TZ: 'UTC' }
  return { cwd: root, env, ...(user === null ? {} : { uid: user.uid, gid: user.gid }) }
}

export class Postmaster {
  readonly #paths: PostmasterPaths
  #process: ChildProcess | null = null

  constructor(paths: PostmasterPaths) {
    this.#paths = paths
  }

  /** True from a start on until a stop or a kill has returned. */
  get started(): boolean {
    return this.#process !== null
  }

  get pid(): number | undefined {
    return this.#process?.pid
  }

  /** What it has logged, over all its starts. */
  async log(): Promise<string> {
    return readFile(this.#logFile, 'utf8').catch(() => '')
  }

  /**
   * Starts it and returns when it accepts connections (a standby: when it is consistent).
   *
   * @throws with the server's log when it did not come up; nothing runs then
   */
  async start(port: number): Promise<void> {
    this.#process = this.#spawn(port)
    try {
      await this.#untilReady(this.#process)
    } catch (error) {
      await this.kill()
      throw error
    }
  }

  /** Shuts it down and returns when its last process has ended. */
  async stop(mode: StopMode, timeoutMs: number): Promise<void> {
    const child = this.#process
    if (child === null) return
    if (isRunning(child)) {
      const exited = once(child, 'exit', { signal: AbortSignal.timeout(timeoutMs) })
      child.kill(STOP_SIGNALS[mode])
      await exited.catch(() => {
        throw new Error(`waited ${timeoutMs} ms in vain for the server to stop (${mode})`)
      })
    }
    this.#process = null
  }

  /** SIGKILL for all of its processes. */
  async kill(): Promise<void> {
    if (this.#process === null) return
    await killWithChildren(this.#process, this.#paths.dataDirectory)
    this.#process = null
  }

  get #logFile(): string {
    return join(this.#paths.root, 'log')
  }

  #spawn(port: number): ChildProcess {
    const { bin, root, dataDirectory, socketDirectory } = this.#paths
    const log = openSync(this.#logFile, 'a')
    try {
      // The socket directory goes here too: a data directory taken over names the one of its old server.
      const args = ['-D', dataDirectory, '-p', String(port), '-k', socketDirectory]
      return spawn(join(bin, 'postgres'), args, {
        ...postgresProcessOptions(root),
        stdio: ['ignore', log, log],
        detached: true,
      })
    } finally {
      closeSync(log)
    }
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
        const file = await readPidFile(this.#paths.dataDirectory)
        return file?.pid === child.pid && (file?.status === 'ready' || file?.status === 'standby')
      },
      START_TIMEOUT_MS,
    )
  }
}

function isRunning(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null
}
