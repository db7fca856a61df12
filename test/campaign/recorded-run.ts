/**
 * Power cuts of the real process: each call that changed the directory and each status update were recorded, over all
 * lives of the receiver; the power is cut at points of that record, and what a disk would hold then is looked at.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { PostgresServer } from '../../scripts/postgres-server.js'
import { findStreamingStart } from '../../src/segments/index.js'
import { type Lsn, lsnMax } from '../../src/wal/index.js'
import { below, type Random, randomNumbers } from '../support/random.js'
import { type RecordedCall, RecordedDisk, readRecord } from './disk-record.js'
import { lackingBytes } from './held-wal.js'
import { Lab, nameOf, type Program, randomSetup, SEGMENT_SIZE } from './lab.js'
import type { RunResult } from './live-run.js'
import { Shim } from './shim.js'

const LIVES = 3
/** Points of the record at which the power is cut. */
const CUTS = 60

export interface RecordedResult extends RunResult {
  readonly cuts: number
}

export async function recordedRun(
  server: PostgresServer,
  seed: number,
  program: Program,
): Promise<RecordedResult> {
  const random = randomNumbers(seed)
  const setup = randomSetup(random, program)
  const lab = await Lab.open(server, setup, random)
  const shim = new Shim(lab.directory)
  lab.surroundings = { env: shim.environment({ record: true }) }
  let cuts = 0
  try {
    for (let life = 0; life < LIVES; life++) {
      lab.startReceiver()
      lab.startLoad()
      await lab.progress(SEGMENT_SIZE * (0.3 + 1.5 * random()))
      await lab.stopLoad()
      await lab.pause(1500)
      await lab.stopReceiver(random() < 0.6 ? 'SIGKILL' : 'SIGINT')
    }
    const { first } = lab
    if (first === null) throw new Error('nothing was received')
    const calls = readRecord(shim.recordFile)
    for (const { image, acknowledged } of powerCuts(calls, random)) {
      cuts++
      const restart = await restartPoint(image)
      // A restart goes on from there, so all before it has to be there as well.
      const to = lsnMax(acknowledged, restart ?? (0n as Lsn))
      const range = { timeline: 1, from: first, to }
      const sent = (timeline: number, segment: bigint) => lab.sent(timeline, segment)
      for (const { text, byteCount } of await lackingBytes(image, range, SEGMENT_SIZE, nameOf, sent)) {
        lab.lostBytes = Math.max(lab.lostBytes, byteCount)
        lab.problems.push(`${text} [${[...image.keys()].sort().join(' ')}]`)
      }
    }
    await lab.checkAcknowledged()
  } catch (error) {
    lab.problems.push(`the run itself failed: ${(error as Error).stack}`)
  } finally {
    await lab[Symbol.asyncDispose]()
    shim.close()
  }
  const { acknowledgedBytes, lostBytes, problems } = lab
  return { setup, strikes: LIVES, cuts, acknowledgedBytes, lostBytes, problems }
}

interface Cut {
  readonly image: Map<string, Buffer>
  readonly acknowledged: Lsn
}

/** Half of the points are right after something was promised or made durable, where a mistake would show. */
function* powerCuts(calls: readonly RecordedCall[], random: Random): Generator<Cut> {
  const telling = calls.flatMap((call, index) =>
    ['ack', 'synced', 'rename', 'start', 'unlink'].includes(call.kind) ? [index] : [],
  )
  const points = new Set([calls.length - 1])
  for (let i = 0; i < CUTS / 2 && telling.length > 0; i++) points.add(telling[below(random, telling.length)]!)
  while (points.size < Math.min(CUTS, calls.length)) points.add(below(random, calls.length))
  const disk = new RecordedDisk(random)
  for (const [index, call] of calls.entries()) {
    disk.play(call)
    if (!points.has(index)) continue
    yield { image: disk.model.afterPowerCut(random() < 0.7), acknowledged: disk.acknowledged }
  }
}

async function restartPoint(image: ReadonlyMap<string, Buffer>): Promise<Lsn | null> {
  const directory = mkdtempSync(join(tmpdir(), 'walship-image-'))
  try {
    mkdirSync(directory, { recursive: true })
    for (const [name, content] of image) writeFileSync(join(directory, name), content)
    return (await findStreamingStart(directory, SEGMENT_SIZE)).start?.lsn ?? null
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}
