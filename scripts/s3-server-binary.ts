/**
 * The S3 server of the tests and benches: versitygw, whose posix backend keeps objects as plain files and has
 * atomic conditional writes. From PATH if it is there, else built once with Go from the module proxy into
 * <project>/.cache/s3-server/<version>.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import {
  access,
  chmod,
  constants,
  link,
  mkdir,
  mkdtemp,
  readFile,
  rename,
  rm,
  writeFile,
} from 'node:fs/promises'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { waitFor } from './wait-for.js'

/**
 * Pinned, so that a run today and a run next year test the same. This one makes conditional writes under a lock
 * (backend/posix/objlock.go), so that of several writers at once one wins.
 */
const VERSION = 'v1.8.0'
const GO_PACKAGE = 'github.com/versity/versitygw/cmd/versitygw'
const PROGRAM = 'versitygw'
const CACHE = fileURLToPath(new URL('../.cache/s3-server', import.meta.url))
const BUILD_TIMEOUT_MS = 15 * 60_000

/** Path of the server's program, built first if it has to be; or why there is none. */
export async function ensureS3ServerBinary(): Promise<{ path: string } | { missing: string }> {
  const found = await onPath()
  if (found !== null) return { path: found }
  const built = join(CACHE, VERSION, PROGRAM)
  if (existsSync(built)) return { path: built }
  await mkdir(CACHE, { recursive: true })
  return await withBuildLock(async () => (existsSync(built) ? { path: built } : await build(built)))
}

async function onPath(): Promise<string | null> {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const path = join(folder, PROGRAM)
    const runs = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    )
    if (folder !== '' && runs) return path
  }
  return null
}

/** The folder takes its final name by rename, so a build that was cut off is never mistaken for a whole one. */
async function build(target: string): Promise<{ path: string } | { missing: string }> {
  process.stderr.write(`building ${PROGRAM} ${VERSION} with Go, once; this takes some minutes\n`)
  const staging = await mkdtemp(join(CACHE, '.building-'))
  try {
    const args = ['install', '-trimpath', '-ldflags=-s -w', `${GO_PACKAGE}@${VERSION}`]
    const go = spawn('go', args, {
      cwd: staging,
      env: { ...process.env, GOBIN: staging, CGO_ENABLED: '0' },
      stdio: ['ignore', 'ignore', 'pipe'],
      // Not by spawn's own timeout: its timer would hold this process when there is no Go at all.
      signal: AbortSignal.timeout(BUILD_TIMEOUT_MS),
    })
    let errors = ''
    go.stderr.setEncoding('utf8').on('data', (text: string) => {
      // What Go says first is what it downloads; what it says last is what went wrong.
      errors = (errors + text).slice(-2000)
    })
    const outcome = await once(go, 'close').catch((error: Error) => [error.message])
    if (outcome[0] !== 0) {
      return { missing: `no ${PROGRAM} on PATH, and Go cannot build it (${outcome[0]}): ${errors.trim()}` }
    }
    await chmod(staging, 0o755)
    await rename(staging, dirname(target)).catch((error: Error) => {
      if (!existsSync(target)) throw error
    })
    return { path: target }
  } finally {
    await rm(staging, { recursive: true, force: true })
  }
}

/** A build takes both cores for minutes: a second process that wants the program waits for the first one's. */
async function withBuildLock<T>(task: () => Promise<T>): Promise<T> {
  const lock = join(CACHE, `${VERSION}.lock`)
  await waitFor('another build of the S3 server', () => takeLock(lock), BUILD_TIMEOUT_MS)
  try {
    return await task()
  } finally {
    await rm(lock, { force: true })
  }
}

async function takeLock(lock: string): Promise<boolean> {
  const mine = `${lock}.${process.pid}`
  try {
    // A link shows the lock with its owner's number in it, or not at all.
    await writeFile(mine, String(process.pid))
    await link(mine, lock)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  } finally {
    await rm(mine, { force: true })
  }
  const owner = await readFile(lock, 'utf8').catch(() => null)
  // Two that find a dead owner at the same moment may both build: wasteful, and harmless because of the rename.
  if (owner !== null && !isAlive(Number(owner))) await rm(lock, { force: true })
  return false
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
