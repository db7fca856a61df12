/**
 * Runs test/live against server majors, one after the other, and prints what came of each.
 * Usage: node --import tsx scripts/test-matrix.ts [major ...] (default: all there are)
 */
import { ensurePostgres, POSTGRES_MAJORS } from './postgres-binaries.js'
import { prepare, run } from './prepare.mjs'

const majors = process.argv.length > 2 ? process.argv.slice(2).map(Number) : POSTGRES_MAJORS
await prepare()
const failed: number[] = []
for (const major of majors) {
  process.stdout.write(`\n=== PostgreSQL ${major} ===\n`)
  await ensurePostgres(major)
  process.env.WALSHIP_TEST_PG_MAJOR = String(major)
  const code = await run(process.execPath, ['node_modules/vitest/vitest.mjs', 'run', 'test/live'])
  if (code !== 0) failed.push(major)
}
process.stdout.write(
  `\n${majors.length - failed.length} majors passed, ${failed.length} failed: ${failed.join(' ')}\n`,
)
process.exitCode = failed.length === 0 ? 0 : 1
