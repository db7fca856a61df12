/**
 * The campaign: `npm run campaign -- [options]`
 *
 *   --seed N         of the first run; the next runs take the next numbers (default 1)
 *   --runs N         of each kind (default 3)
 *   --only KINDS     separated by commas (default: all)
 *   --receiver NAME  walship, drop-in or pg_receivewal (default walship)
 *   --minutes N      goes round and round the kinds until the time is over
 *   --fail-fast      ends at the first run that finds something
 *   --json FILE      adds what came out to a file, one line for each run
 *   --list           names the kinds
 *
 * Ends with status 1 when a byte was lost or anything else was wrong.
 */
import { appendFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { Ground, KINDS, type Outcome } from './kinds.js'
import type { Program } from './lab.js'

// What is at work ends with this process, and sees to it at its exit.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    runs: { type: 'string', default: '3' },
    only: { type: 'string' },
    receiver: { type: 'string', default: 'walship' },
    minutes: { type: 'string' },
    json: { type: 'string' },
    'fail-fast': { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
  },
})

/** Runs on one server; each leaves some WAL on it. */
const RUNS_PER_SERVER = 12

interface Total {
  runs: number
  strikes: number
  acknowledged: number
  lost: number
  wrong: number
}

const totals = new Map<string, Total>()
const program = values.receiver as Program
const names = values.only?.split(',') ?? Object.keys(KINDS)
const unknown = names.filter((name) => KINDS[name] === undefined)
if (values.list || unknown.length > 0) {
  for (const [name, { what }] of Object.entries(KINDS)) console.log(name.padEnd(22), what)
  process.exit(unknown.length > 0 ? 2 : 0)
}
if (!['walship', 'drop-in', 'pg_receivewal'].includes(program)) {
  console.error(`there is no receiver "${program}": walship, drop-in, pg_receivewal`)
  process.exit(2)
}

{
  await using ground = new Ground()
  let isOver = false
  const until = values.minutes === undefined ? null : Date.now() + Number(values.minutes) * 60_000
  let onThisServer = 0
  const runOnce = async (name: string, seed: number) => {
    const kind = KINDS[name]!
    const begunAt = Date.now()
    const outcome = await kind.run(ground, seed, program)
    count(name, outcome)
    if (values['fail-fast'] && outcome.problems.length > 0) isOver = true
    report(name, seed, Date.now() - begunAt, outcome)
    if (++onThisServer % RUNS_PER_SERVER === 0) await ground.renew()
  }
  const possible = names.filter((name) => {
    const { programs, missing } = KINDS[name]!
    if (!programs.includes(program)) return false
    const reason = missing(program)
    if (reason !== null) console.warn(`!! ${name} IS NOT RUN: ${reason}`)
    return reason === null
  })
  const first = Number(values.seed)
  if (until === null) {
    for (const name of possible)
      for (let run = 0; run < Number(values.runs) && !isOver; run++) await runOnce(name, first + run)
  } else {
    for (let round = 0; Date.now() < until && !isOver; round++)
      for (const name of possible) if (Date.now() < until && !isOver) await runOnce(name, first + round)
  }
}

summarize()

function count(name: string, outcome: Outcome): void {
  const total = totals.get(name) ?? { runs: 0, strikes: 0, acknowledged: 0, lost: 0, wrong: 0 }
  totals.set(name, total)
  total.runs += 1
  total.strikes += outcome.strikes
  total.acknowledged += outcome.acknowledgedBytes
  total.lost += outcome.lostBytes
  if (outcome.problems.length > 0) total.wrong += 1
}

function report(name: string, seed: number, durationMs: number, outcome: Outcome): void {
  const { strikes, acknowledgedBytes, lostBytes, problems, setup } = outcome
  const verdict = problems.length === 0 ? 'ok' : `WRONG, ${lostBytes} bytes lost`
  console.log(
    `${name} seed ${seed}: ${verdict} (${strikes} strikes, ${acknowledgedBytes} bytes acknowledged, ${setup})`,
  )
  for (const problem of problems.slice(0, 5)) console.log(`    ${problem}`)
  if (values.json === undefined) return
  const line = { name, program, seed, durationMs, strikes, acknowledgedBytes, lostBytes, setup, problems }
  appendFileSync(values.json, `${JSON.stringify({ ...line, problems: problems.slice(0, 5) })}\n`)
}

function summarize(): void {
  console.log(`\n${program}`)
  console.log(
    'kind                      runs  strikes    acknowledged            lost  runs with something wrong',
  )
  for (const [name, { runs, strikes, acknowledged, lost, wrong }] of totals) {
    const cells = [String(runs).padStart(6), String(strikes).padStart(9)]
    cells.push(String(acknowledged).padStart(16), String(lost).padStart(16), String(wrong).padStart(6))
    console.log(name.padEnd(24) + cells.join(''))
    if (wrong > 0) process.exitCode = 1
  }
}
