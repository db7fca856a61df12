/** Makes the table of docs/durability.md from what `--json` wrote: `node --import tsx test/campaign/table.ts FILE...` */
import { readFileSync } from 'node:fs'
import { KINDS } from './kinds.js'

interface Line {
  readonly name: string
  readonly program: string
  readonly strikes: number
  readonly acknowledgedBytes: number
  readonly lostBytes: number
  readonly problems: readonly string[]
}

const lines = process.argv
  .slice(2)
  .flatMap((path) => readFileSync(path, 'utf8').split('\n'))
  .filter((line) => line !== '')
  .map((line) => JSON.parse(line) as Line)

console.log('| disaster | | walship | acknowledged, lost | pg_receivewal | acknowledged, lost |')
console.log('|---|---|---|---|---|---|')
for (const [name, { what }] of Object.entries(KINDS))
  console.log(`| ${what} | \`${name}\` | ${cells(name, 'walship')} | ${cells(name, 'pg_receivewal')} |`)
for (const program of ['walship', 'drop-in', 'pg_receivewal']) {
  const all = lines.filter((line) => line.program === program)
  console.log(`${program}: ${summary(all)}`)
}

function cells(name: string, program: string): string {
  const runs = lines.filter((line) => line.name === name && line.program === program)
  if (runs.length === 0) return '– | –'
  const wrong = runs.filter(({ problems }) => problems.length > 0).length
  return `${runs.length} runs${wrong > 0 ? `, ${wrong} wrong` : ''} | ${megabytes(sum(runs, 'acknowledgedBytes'))} MB, ${sum(runs, 'lostBytes')}`
}

function summary(runs: readonly Line[]): string {
  const lost = sum(runs, 'lostBytes')
  return `${runs.length} runs, ${sum(runs, 'strikes')} disasters, ${megabytes(sum(runs, 'acknowledgedBytes'))} MB acknowledged, ${lost} bytes lost`
}

function sum(runs: readonly Line[], key: 'strikes' | 'acknowledgedBytes' | 'lostBytes'): number {
  return runs.reduce((total, run) => total + run[key], 0)
}

function megabytes(byteCount: number): number {
  return Math.round(byteCount / 1e6)
}
