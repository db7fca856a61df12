/**
 * What `npm test` and `npm run demo` need on a fresh clone: the dependencies and the build, each made only
 * when it is missing or stale. Plain JavaScript, because it runs before anything is installed.
 */
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const PROJECT = fileURLToPath(new URL('..', import.meta.url))
const BUILD_STAMP = join(PROJECT, '.cache', 'build-stamp')

export async function prepare() {
  if (!dependenciesAreInstalled()) await must('npm', ['ci', '--include=dev', '--no-audit', '--no-fund'])
  if (!buildIsFresh()) await build()
}

/**
 * Runs a program with our own standard streams, in the project's folder.
 * @returns {Promise<number>} its exit code; 128 + n when signal number n ended it
 */
export function run(command, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: PROJECT, stdio: 'inherit' })
    // A signal from the terminal reaches the child by itself; it decides, and we report its exit.
    const forward = (signal) => child.kill(signal)
    const ignore = () => undefined
    process.on('SIGTERM', forward).on('SIGINT', ignore)
    child.once('error', reject)
    child.once('exit', (code, signal) => {
      process.off('SIGTERM', forward).off('SIGINT', ignore)
      resolve(code ?? 128 + ({ SIGHUP: 1, SIGINT: 2, SIGKILL: 9, SIGTERM: 15 }[signal] ?? 0))
    })
  })
}

async function must(command, args) {
  process.stdout.write(`> ${[command, ...args].join(' ')}\n`)
  const code = await run(command, args)
  if (code !== 0) process.exit(code)
}

/**
 * Compares what npm wrote down about node_modules with the lock file, package by package: file times say
 * nothing after a clone or a checkout.
 */
function dependenciesAreInstalled() {
  const installed = readJson(join(PROJECT, 'node_modules', '.package-lock.json'))?.packages
  const wanted = readJson(join(PROJECT, 'package-lock.json'))?.packages
  if (installed === undefined || wanted === undefined) return false
  return Object.entries(wanted).every(
    // Optional packages for other platforms are in the lock file, but never installed here.
    ([path, { version, optional }]) =>
      path === '' || installed[path]?.version === version || (optional && installed[path] === undefined),
  )
}

function readJson(path) {
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : undefined
}

/** What the build depends on, file by file, so that a changed, a new and a removed source all count. */
function sourcesNow() {
  const files = readdirSync(join(PROJECT, 'src'), { recursive: true }).map((name) => join('src', name))
  return ['tsconfig.json', 'tsconfig.build.json', 'package-lock.json', ...files.sort()]
    .map((file) => ({ file, stat: statSync(join(PROJECT, file)) }))
    .filter(({ stat }) => stat.isFile())
    .map(({ file, stat }) => `${file} ${stat.size} ${stat.mtimeMs}\n`)
    .join('')
}

function buildIsFresh() {
  const built = existsSync(join(PROJECT, 'dist')) && existsSync(BUILD_STAMP)
  return built && readFileSync(BUILD_STAMP, 'utf8') === sourcesNow()
}

/** Builds over what is there: a program that runs from dist meanwhile must not find it gone. */
async function build() {
  const sources = sourcesNow()
  await must('npm', ['run', '--silent', 'build'])
  removeOrphans()
  mkdirSync(join(PROJECT, '.cache'), { recursive: true })
  writeFileSync(BUILD_STAMP, sources)
}

/** The output of a source that is gone would stay in dist, and in the package, for ever. */
function removeOrphans() {
  for (const output of readdirSync(join(PROJECT, 'dist'), { recursive: true })) {
    const source = join(PROJECT, 'src', output.replace(/(\.d\.ts|\.js)$/, '.ts'))
    if (!existsSync(source)) rmSync(join(PROJECT, 'dist', output), { recursive: true, force: true })
  }
}
