/** A short pass of the campaign and of the soak; both go on for hours by themselves: npm run campaign, npm run soak. */
import { afterAll, expect, it } from 'vitest'
import { describeWithOwnS3 } from '../support/s3-server.js'
import { Ground, KINDS } from './kinds.js'
import { soak } from './soak-run.js'

const SEED = Number(process.env.WALSHIP_TEST_SEED ?? Date.now() % 1_000_000)
const POWER_CUT_RUNS = 8
const SOAK_MINUTES = 0.25
/** One of each sort; the others are in tests of their own rooms. */
const KINDS_IN_SHORT = [
  'power',
  'kill-start',
  'server-kill',
  'half-closed',
  'fail-sync',
  'fail-directory-sync',
  'clock',
]

const ground = new Ground()
afterAll(() => ground[Symbol.asyncDispose]())

it(`power cuts on a modelled disk (seed ${SEED})`, { timeout: 120_000 }, async () => {
  for (let run = 0; run < POWER_CUT_RUNS; run++) {
    const { problems } = await KINDS['power-model']!.run(ground, SEED + run, 'walship')
    expect(problems, `seed ${SEED + run}`).toEqual([])
  }
})

it.each(KINDS_IN_SHORT)(`%s (seed ${SEED})`, { timeout: 120_000 }, async (name) => {
  const kind = KINDS[name]!
  const missing = kind.missing('walship')
  if (missing !== null) {
    process.stderr.write(`!! ${name} IS NOT RUN: ${missing}\n`)
    return
  }
  const { problems, acknowledgedBytes, lostBytes } = await kind.run(ground, SEED, 'walship')
  expect({ problems, lostBytes }).toEqual({ problems: [], lostBytes: 0 })
  expect(acknowledgedBytes).toBeGreaterThan(0)
})

describeWithOwnS3('soak', () => {
  it(`${SOAK_MINUTES} minutes of it (seed ${SEED})`, { timeout: 180_000 }, async () => {
    const { problems, acknowledgedBytes, samples } = await soak(SOAK_MINUTES, SEED, () => {})
    expect(problems).toEqual([])
    expect(acknowledgedBytes).toBeGreaterThan(0)
    expect(samples).toBeGreaterThan(10)
  })
})
