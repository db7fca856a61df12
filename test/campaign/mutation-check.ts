/**
 * Can the campaign fail? `npm run campaign:mutations [-- PATTERN]` makes each mistake of mutations.ts in a copy of
 * the sources and demands that it is noticed. Ends with status 1 when one is not.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { MUTATIONS, type Mutation, needsBuild, SHORT_CAMPAIGN } from './mutations.js'

const PROJECT = fileURLToPath(new URL('../..', import.meta.url))
const COPIED = [
  'src',
  'test',
  'scripts',
  'bin',
  'package.json',
  'tsconfig.json',
  'tsconfig.build.json',
  'vitest.config.ts',
]
const LIMIT_MS = 600_000

const wanted = new RegExp(process.argv[2] ?? '')
const copy = mkdtempSync(join(tmpdir(), 'walship-mutant-'))
process.once('exit', () => rmSync(copy, { recursive: true, force: true }))
for (const name of COPIED) cpSync(join(PROJECT, name), join(copy, name), { recursive: true })
for (const name of ['node_modules', '.cache']) symlinkSync(join(PROJECT, name), join(copy, name))

const chosen = MUTATIONS.filter(({ what }) => wanted.test(what))
const unnoticed: string[] = []
// A campaign that finds something in good sources would notice every mutation.
for (const command of new Set(chosen.map(({ noticedBy }) => noticedBy ?? SHORT_CAMPAIGN))) {
  if (chosen.some((each) => needsBuild(each) && each.noticedBy === command)) await build()
  const { status, output } = await run(command)
  if (status === 0) continue
  console.error(`without any mutation "${command.join(' ')}" ends with ${status}:\n${output.slice(-3000)}`)
  process.exit(1)
}
for (const mutation of chosen) {
  const begunAt = Date.now()
  const isNoticed = await notices(mutation)
  if (!isNoticed) unnoticed.push(mutation.what)
  const seconds = Math.round((Date.now() - begunAt) / 1000)
  console.log(`${isNoticed ? 'noticed    ' : 'NOT NOTICED'} ${mutation.what} (${seconds} s)`)
}
console.log(`${chosen.length - unnoticed.length} of ${chosen.length} mutations noticed`)
if (unnoticed.length > 0) process.exitCode = 1

async function notices(mutation: Mutation): Promise<boolean> {
  const path = join(copy, mutation.file)
  const source = readFileSync(path, 'utf8')
  const places = source.split(mutation.from).length - 1
  if (places !== 1) throw new Error(`"${mutation.what}" fits ${places} places of ${mutation.file}`)
  writeFileSync(
    path,
    source.replace(mutation.from, () => mutation.to),
  )
  try {
    if (needsBuild(mutation)) await build()
    return (await run(mutation.noticedBy ?? SHORT_CAMPAIGN)).status !== 0
  } finally {
    writeFileSync(path, source)
  }
}

/** A mutated source need not be fine in the eyes of the compiler. */
async function build(): Promise<void> {
  const args = ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json', '--noCheck']
  const { status, output } = await run(args)
  if (status !== 0) throw new Error(`the build failed:\n${output}`)
}

async function run(args: readonly string[]): Promise<{ status: number | null; output: string }> {
  const child = spawn(process.execPath, ['--import', 'tsx', ...args], {
    cwd: copy,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: LIMIT_MS,
  })
  let output = ''
  const keep = (text: Buffer) => {
    output = (output + text).slice(-10_000)
  }
  child.stdout.on('data', keep)
  child.stderr.on('data', keep)
  const [status] = (await once(child, 'close')) as [number | null]
  return { status, output }
}
