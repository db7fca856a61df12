/** A short pass of `npm run fuzz`, in a process of its own: one input that never ends must not take the tests with it. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { WalshipError } from '../../src/base/index.js'
import { isOurs } from './judge.js'
import { caseSeed, Random } from './random.js'
import { runTarget } from './run-target.js'
import { FUZZ_TARGETS } from './targets/index.js'

const SCRIPT = fileURLToPath(new URL('../../scripts/fuzz.ts', import.meta.url))

/** A new run of the tests takes new inputs when it says so; else a failure can be repeated by running them again. */
const SEED = process.env.WALSHIP_FUZZ_SEED ?? '1'

it(`nothing breaks on bad input (seed ${SEED})`, { timeout: 300_000 }, async () => {
  const args = ['--max-old-space-size=384', '--import', 'tsx', SCRIPT, '--seed', SEED]
  const run = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  const [said, complaints] = await Promise.all([text(run.stdout), text(run.stderr), once(run, 'close')])
  expect(complaints).not.toContain('HANGS')
  expect(run.exitCode, said).toBe(0)
  for (const { name } of FUZZ_TARGETS)
    expect(said).toMatch(new RegExp(`^${name} +[1-9][0-9]* inputs  0 findings`, 'm'))
})

it('a run tells what it finds, and finds it again from its number', async () => {
  const target = {
    name: 'planted',
    shortRuns: 100,
    run(random: Random) {
      if (random.onceIn(10)) throw new TypeError('planted')
    },
  }
  const { findings, inputs } = await runTarget(target, 7, 0, 100, () => {})
  expect(findings).toHaveLength(5)
  expect(inputs).toBeLessThan(100)
  const { index } = findings[0]!
  expect((await runTarget(target, 7, index, 1, () => {})).findings).toMatchObject([{ index }])
  const hungry = { name: 'hungry', shortRuns: 1, run: () => void Buffer.alloc(200_000_000) }
  expect((await runTarget(hungry, 7, 0, 1, () => {})).findings).toHaveLength(1)
})

it('an error is ours when it has a code and says something', () => {
  expect(isOurs(new WalshipError('could not read it', { code: 'READ_FAILED' }))).toBe(true)
  expect(isOurs(new WalshipError('', { code: 'READ_FAILED' }))).toBe(false)
  expect(isOurs(new WalshipError('could not read it', { code: '' }))).toBe(false)
  expect(isOurs(new RangeError('Invalid array length'))).toBe(false)
})

it('chance is the same on every machine', () => {
  const random = new Random(caseSeed(1, 0))
  expect([random.below(1000), random.below(1000), random.below(1000)]).toMatchInlineSnapshot(`
    [
      933,
      23,
      501,
    ]
  `)
})
