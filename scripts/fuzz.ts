/**
 * Bad input for everything that reads: mutations of what real servers, stores and people write.
 *
 *     npm run fuzz                                          every target, a few hundred inputs each
 *     npm run fuzz -- --target wal --runs 100000 --seed 7
 *     npm run fuzz -- --target wal --seed 7 --case 4711     one input again, with the whole error
 *
 * Exits with 1 when something was found.
 */
import { inspect, parseArgs } from 'node:util'
import { runTarget } from '../test/fuzz/run-target.js'
import { FUZZ_TARGETS } from '../test/fuzz/targets/index.js'
import { Watchdog } from '../test/fuzz/watchdog.js'

const HANG_LIMIT_MS = 60_000

const { values } = parseArgs({
  options: {
    target: { type: 'string', multiple: true },
    seed: { type: 'string', default: '1' },
    runs: { type: 'string' },
    case: { type: 'string' },
  },
})
const names = FUZZ_TARGETS.map(({ name }) => name)
const unknown = values.target?.find((name) => !names.includes(name))
if (unknown !== undefined) {
  process.stderr.write(`no target "${unknown}"; there are ${names.join(', ')}\n`)
  process.exit(2)
}
const seed = Number(values.seed)
const watchdog = new Watchdog(names, HANG_LIMIT_MS)
let inputs = 0
let found = 0
let underWay = ''
// Nothing is left to be done, and yet somebody waits: what never settles ends the process without a word.
process.on('exit', () => {
  if (underWay === '') return
  process.stderr.write(`HANGS: ${underWay} never ends\n`)
  process.exitCode = 1
})
for (const [place, target] of FUZZ_TARGETS.entries()) {
  if (values.target !== undefined && !values.target.includes(target.name)) continue
  const first = Number(values.case ?? 0)
  const runs = values.case !== undefined ? 1 : Number(values.runs ?? target.shortRuns)
  const startedAt = performance.now()
  const run = await runTarget(target, seed, first, runs, (index) => {
    watchdog.onCase(place, index)
    underWay = `target ${target.name}, case ${index}`
  })
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
  const most = (run.mostBytes / 1024 / 1024).toFixed(0)
  process.stdout.write(
    `${target.name.padEnd(12)} ${String(run.inputs).padStart(8)} inputs  ${run.findings.length} findings  ${seconds} s  ${most} MB at most\n`,
  )
  for (const { index, error } of run.findings) {
    const text = values.case === undefined && error instanceof Error ? error.message : inspect(error)
    process.stdout.write(`  case ${index}: ${text}\n`)
    process.stdout.write(`  again: npm run fuzz -- --target ${target.name} --seed ${seed} --case ${index}\n`)
  }
  inputs += run.inputs
  found += run.findings.length
}
underWay = ''
await watchdog.close()
const peak = Math.round(process.resourceUsage().maxRSS / 1024)
process.stdout.write(`${inputs} inputs, ${found} findings, seed ${seed}, ${peak} MB at the peak\n`)
process.exitCode = found === 0 ? 0 : 1
