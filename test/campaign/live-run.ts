/** One live run: a receiver under load, a few disasters of one kind, and the oracle's verdict. */
import type { PostgresServer } from '../../scripts/postgres-server.js'
import { below, randomNumbers } from '../support/random.js'
import { DISASTERS } from './disasters.js'
import { Lab, type Program, randomSetup, SEGMENT_SIZE, type Setup } from './lab.js'

export interface RunResult {
  readonly setup: Setup
  readonly strikes: number
  readonly acknowledgedBytes: number
  readonly lostBytes: number
  /** What was found; empty when nothing is wrong. */
  readonly problems: readonly string[]
}

const MOST_STRIKES = 3

export async function liveRun(
  server: PostgresServer,
  kind: string,
  seed: number,
  program: Program,
): Promise<RunResult> {
  const disaster = DISASTERS[kind]!
  const random = randomNumbers(seed)
  const setup = randomSetup(random, program)
  const lab = await Lab.open(server, setup, random)
  const strikes = 1 + below(random, MOST_STRIKES)
  let prepared = false
  try {
    await disaster.prepare?.(lab)
    prepared = true
    lab.startReceiver()
    lab.startLoad()
    for (let strike = 0; strike < strikes; strike++) {
      await lab.progress(SEGMENT_SIZE * (0.2 + 1.5 * random()))
      await disaster.strike(lab)
      await lab.checkAcknowledged()
      await lab.ensureReceiver()
    }
    await lab.expectWhole()
  } catch (error) {
    lab.problems.push(`the run itself failed: ${(error as Error).stack}`)
  } finally {
    await lab.stopReceiver('SIGKILL').catch(() => {})
    if (prepared) await disaster.clear?.(lab)
    await lab[Symbol.asyncDispose]()
  }
  const { acknowledgedBytes, lostBytes, problems } = lab
  return { setup, strikes, acknowledgedBytes, lostBytes, problems }
}
