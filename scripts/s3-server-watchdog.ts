/** Sees to it that an S3 server and its folder do not outlive the process that started it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

const PID_FILE = 'server.pid'

/**
 * A process of its own that outlives this one by a moment: when this process ends, however it ends, it kills
 * the server named in the folder's pid file and removes the folder. It notices by the end of its standard input.
 */
export class S3ServerWatchdog {
  readonly #process: ChildProcess
  readonly #pidFile: string

  constructor(root: string) {
    this.#pidFile = join(root, PID_FILE)
    this.#process = spawn('/bin/sh', ['-c', SCRIPT, 'sh', root, this.#pidFile], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
      cwd: '/',
    })
    this.#process.unref()
    ;(this.#process.stdin as unknown as { unref(): void }).unref()
  }

  async watch(server: ChildProcess): Promise<void> {
    if (server.pid === undefined) throw (await once(server, 'error'))[0]
    await writeFile(this.#pidFile, `${server.pid}\n`)
  }

  /** The server is gone; its number may soon be another process's. */
  async forget(): Promise<void> {
    await rm(this.#pidFile, { force: true })
  }

  /** Ends the watch, and with it whatever is still there. */
  async end(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return
    this.#process.ref()
    const exited = once(this.#process, 'exit')
    this.#process.stdin?.end()
    await exited
  }
}

const SCRIPT = `
trap '' INT TERM HUP
read -r _
[ ! -f "$2" ] || kill -KILL "$(cat "$2")" 2>/dev/null
rm -rf "$1"
`
