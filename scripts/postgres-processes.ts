/** The operating system's side of a test server: its processes, its watchdog, what a SIGKILL leaves behind. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { waitFor } from './wait-for.js'

/** What a running postmaster says about itself in postmaster.pid (src/include/utils/pidfile.h). */
export interface PidFile {
  readonly pid: number
  /** `starting`, `ready`, `standby` or `stopping`. */
  readonly status: string
  readonly sharedMemoryId: string | undefined
}

export async function readPidFile(dataDirectory: string): Promise<PidFile | null> {
  const text = await readFile(join(dataDirectory, 'postmaster.pid'), 'utf8').catch(() => '')
  const lines = text.split('\n').map((line) => line.trim())
  if (lines.length < 2) return null
  return { pid: Number(lines[0]), status: lines[7] ?? '', sharedMemoryId: lines[6]?.split(/\s+/)[1] }
}

/**
 * SIGKILL for a postmaster and all its children, as if the power had gone. The postmaster is stopped first,
 * so that it starts no child between the look and the kill. Returns when none of them is left.
 */
export async function killWithChildren(postmaster: ChildProcess, dataDirectory: string): Promise<void> {
  const pid = postmaster.pid
  if (pid === undefined || postmaster.exitCode !== null || postmaster.signalCode !== null) return
  const { sharedMemoryId } = (await readPidFile(dataDirectory)) ?? {}
  const exited = once(postmaster, 'exit')
  send(pid, 'SIGSTOP')
  const children = await childrenOf(pid)
  for (const each of [pid, ...children]) send(each, 'SIGKILL')
  await exited
  await waitFor('the children of the killed server to be gone', () => !children.some(isAlive))
  // System V shared memory outlives its processes; every killed server would leave one segment for good.
  if (sharedMemoryId !== undefined) {
    await promisify(execFile)('ipcrm', ['-m', sharedMemoryId]).catch(() => undefined)
  }
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // Gone already, which is what is wanted.
  }
}

async function childrenOf(pid: number): Promise<number[]> {
  if (process.platform !== 'linux') {
    const { stdout } = await promisify(execFile)('ps', ['-axo', 'pid=,ppid='])
    const rows = stdout.trim().split('\n')
    return rows
      .map((row) => row.trim().split(/\s+/).map(Number))
      .flatMap(([p, pp]) => (pp === pid ? [p!] : []))
  }
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && linuxStat(Number(name))?.parent === pid)
    .map(Number)
}

/** A zombie whose new parent has not looked at it yet counts as gone: it holds no file and no socket. */
function isAlive(pid: number): boolean {
  if (process.platform === 'linux') {
    const stat = linuxStat(pid)
    return stat !== null && stat.state !== 'Z'
  }
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

function linuxStat(pid: number): { state: string; parent: number } | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // The command name before it stands in parentheses and may hold blanks and parentheses itself.
    const [state, parent] = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return { state: state!, parent: Number(parent) }
  } catch {
    return null
  }
}

/**
 * A process of its own that outlives this one by a moment: when this process ends, however it ends, it shuts
 * down the servers under `root` and removes the folder. It notices by the end of its standard input.
 */
export class Watchdog {
  readonly #process: ChildProcess

  constructor(root: string) {
    this.#process = spawn('/bin/sh', ['-c', WATCHDOG_SCRIPT, 'sh', root], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
      cwd: '/',
    })
    this.#process.unref()
    ;(this.#process.stdin as unknown as { unref(): void }).unref()
  }

  /** Ends the watch; what is still there under `root` is shut down and removed. */
  async end(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return
    this.#process.ref()
    const exited = once(this.#process, 'exit')
    this.#process.stdin?.end()
    await exited
  }
}

const WATCHDOG_SCRIPT = `
trap '' INT TERM HUP
read -r _
for file in "$1"/*/postmaster.pid; do
  [ -f "$file" ] || continue
  pid=$(head -n 1 "$file")
  kill -QUIT "$pid" 2>/dev/null || continue
  tries=0
  while kill -0 "$pid" 2>/dev/null; do
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] || kill -KILL "$pid"
    sleep 0.1
  done
done
rm -rf "$1"
`
