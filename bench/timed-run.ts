/** One run of a program to its end, with what it cost. Linux only: the peak memory comes from /proc. */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const MEMORY_POLL_MS = 20

export interface Cost {
  readonly wallSeconds: number
  /** User and system time of the program and what it has waited for. */
  readonly cpuSeconds: number
  readonly peakRssMb: number
}

/** @throws when the program's exit code is not 0; the message has what it wrote to stderr. */
export async function timedRun(program: string, args: readonly string[]): Promise<Cost> {
  const folder = await mkdtemp(join(tmpdir(), 'walship-timed-'))
  const times = join(folder, 'times')
  // Left-over dirty pages of the run before would be written at the cost of this one.
  await promisify(execFile)('sync')
  try {
    const timed = 'exec 3>&2 2>"$0"; TIMEFORMAT="%R %U %S"; time "$@" 2>&3'
    const shell = spawn('bash', ['-c', timed, times, program, ...args], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    let stderr = ''
    shell.stderr.setEncoding('utf8').on('data', (text) => {
      stderr += text
    })
    let peakRssMb = 0
    const poll = setInterval(() => {
      peakRssMb = Math.max(peakRssMb, ...childrenOf(shell.pid!).map(peakRssOf))
    }, MEMORY_POLL_MS)
    const [code] = await once(shell, 'close')
    clearInterval(poll)
    if (code !== 0) throw new Error(`${program} ended with ${code}:\n${stderr}`)
    const [wall, user, system] = (await readFile(times, 'utf8')).trim().split(' ').map(Number)
    return { wallSeconds: wall!, cpuSeconds: user! + system!, peakRssMb }
  } finally {
    await rm(folder, { recursive: true })
  }
}

/** Peak resident memory of a process so far, in MB; 0 when it is gone. */
export function peakRssOf(pid: number): number {
  return statusValue(pid, 'VmHWM')
}

/** Resident memory of a process now, in MB; 0 when it is gone. */
export function rssOf(pid: number): number {
  return statusValue(pid, 'VmRSS')
}

function statusValue(pid: number, name: string): number {
  try {
    const line = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
    return line === null ? 0 : Number(line[1]) / 1024
  } catch {
    return 0
  }
}

function childrenOf(pid: number): number[] {
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim()
    return text === '' ? [] : text.split(' ').map(Number)
  } catch {
    return []
  }
}
