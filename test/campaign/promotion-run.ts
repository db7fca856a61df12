/** A receiver that streams from a standby, through one address, while standby after standby is promoted. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { PostgresServer } from '../../scripts/postgres-server.js'
import { waitFor } from '../../scripts/wait-for.js'
import { type Lsn, parseLsn, parseTimelineHistory, segmentFloor } from '../../src/wal/index.js'
import { randomNumbers } from '../support/random.js'
import type { Outcome } from './kinds.js'
import { Lab, type Program, randomSetup, SEGMENT_SIZE, startServer } from './lab.js'

const PROMOTIONS = 3
const FLOW_MS = 30_000

export async function promotionRun(seed: number, program: Program): Promise<Outcome> {
  const random = randomNumbers(seed)
  const setup = randomSetup(random, program)
  const chain: PostgresServer[] = [await startServer(program)]
  let lab: Lab | null = null
  let strikes = 0
  const problems: string[] = []
  try {
    // Each follows the one before it, and so through all the promotions.
    for (let nth = 1; nth <= PROMOTIONS; nth++) chain.push(await chain[nth - 1]!.createStandby())
    lab = await Lab.open(chain[1]!, setup, random)
    for (const standby of chain.slice(2))
      await standby.query('SELECT pg_create_physical_replication_slot($1, true)', [lab.slot])
    const { recorder } = lab
    lab.writesTo = chain[0]!
    lab.startReceiver()
    lab.startLoad()
    for (let nth = 1; nth <= PROMOTIONS; nth++) {
      // The source is the one that is promoted, or a standby of it.
      const source = chain[nth + (nth < PROMOTIONS && random() < 0.4 ? 1 : 0)]!
      if (lab.server !== source && recorder.target !== chain[nth + 1]?.port) {
        recorder.target = source.port
        lab.server = source
        recorder.cut()
        await lab.ensureReceiver()
      }
      await lab.progress(SEGMENT_SIZE * (0.3 + random()))
      // Sometimes nobody looks when it happens.
      if (random() < 0.4) await lab.stopReceiver(random() < 0.5 ? 'SIGKILL' : 'SIGINT')
      await chain[nth]!.promote()
      lab.writesTo = chain[nth]!
      strikes++
      await lab.ensureReceiver()
    }
    await lab.stopLoad()
    await lab.ensureReceiver()
    const last = chain.at(-1)!
    const end = parseLsn(await last.value('SELECT pg_switch_wal()'))
    await waitFor(
      'everything to be acknowledged',
      async () => {
        await lab!.ensureReceiver()
        return recorder.flushed(PROMOTIONS + 1) >= end
      },
      FLOW_MS,
    )
    await lab.stopReceiver()
    problems.push(...(await lab.lacksOnEach(await rangesOf(last, lab.first!, end), chain)))
  } catch (error) {
    problems.push(`the run itself failed: ${(error as Error).stack}; ${lab?.receiver?.stderr.slice(-500)}`)
  } finally {
    await lab?.[Symbol.asyncDispose]()
    for (const server of chain.reverse()) await server[Symbol.asyncDispose]()
  }
  const { acknowledgedBytes = 0, lostBytes = 0 } = lab ?? {}
  return { strikes, acknowledgedBytes, lostBytes, problems, setup: JSON.stringify(setup) }
}

/** What each timeline has to hold so that a recovery gets from the first byte to the last. */
async function rangesOf(
  server: PostgresServer,
  first: Lsn,
  end: Lsn,
): Promise<{ timeline: number; from: Lsn; to: Lsn }[]> {
  const name = `${(PROMOTIONS + 1).toString(16).toUpperCase().padStart(8, '0')}.history`
  const ancestors = parseTimelineHistory(readFileSync(join(server.walDirectory, name)))!
  let from = first
  const ranges = ancestors.map(({ timeline, switchPoint }) => {
    const range = { timeline, from, to: segmentFloor(switchPoint, SEGMENT_SIZE) }
    from = range.to > first ? range.to : first
    return range
  })
  return [...ranges, { timeline: PROMOTIONS + 1, from, to: end }].filter(({ from: a, to }) => to > a)
}
