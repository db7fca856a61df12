/**
 * Power cuts, kills and failing calls under the real Receiver: a simulated server sends it a known history, the files
 * are a model that knows what is sure. A run is several lives of a receiver on one disk.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { parseCompression } from '../../src/codec/index.js'
import { type ReceiveEvent, Receiver } from '../../src/receive/index.js'
import { findStreamingStart } from '../../src/segments/index.js'
import { type Lsn, lsnMax, lsnMin, segmentFloor } from '../../src/wal/index.js'
import { type CallKind, CrashingFileSystem } from '../segments/crashing-file-system.js'
import { readableContent } from '../segments/readable-content.js'
import { below, pick, type Random, randomNumbers } from '../support/random.js'
import { type ClaimedRange, lackingBytes, wrongFinalFiles } from './held-wal.js'
import { SEGMENT_SIZE, SimulatedHistory } from './simulated-history.js'
import { SimulatedPrimary, timelineStart } from './simulated-primary.js'

/** How a life ends: `stop` is a clean one, which the power may still cut short. */
const ENDS = ['power', 'power', 'power', 'kill', 'kill', 'stop'] as const
const METHODS = ['none', 'none', 'none', 'gzip:1', 'lz4'] as const
const FAILURES: readonly (readonly [CallKind, string])[] = [
  ['write', 'ENOSPC'],
  ['write', 'EIO'],
  // Several times: what it loses shows only when the power goes later.
  ['sync', 'EIO'],
  ['sync', 'EIO'],
  ['sync', 'EIO'],
  ['directory-sync', 'EIO'],
  ['rename', 'EIO'],
  ['open', 'EMFILE'],
  ['truncate', 'EFBIG'],
]
/** A receiver that does nothing for so long hangs. */
const LIFE_LIMIT_MS = 30_000

export interface PowerCutResult {
  readonly lives: number
  readonly ends: Readonly<Record<string, number>>
  readonly acknowledgedBytes: number
  /** What was found; empty when nothing is wrong. */
  readonly problems: readonly string[]
}

export async function powerCutRun(seed: number): Promise<PowerCutResult> {
  const random = randomNumbers(seed)
  const directory = mkdtempSync(join(tmpdir(), 'walship-power-'))
  const history = new SimulatedHistory(1 + (seed % HISTORIES), TIMELINES)
  const files = new CrashingFileSystem(random, random() < 0.7, directory)
  const ends: Record<string, number> = {}
  const problems: string[] = []
  await using primary = await SimulatedPrimary.start(history, random)
  // Most installations keep to one compression; some change it.
  const usual = pick(random, METHODS)
  const isSteady = random() < 0.7
  let lives = 0
  try {
    for (; lives < 6 && problems.length === 0; lives++) {
      if (lives > 0 && random() < 0.3) primary.promote()
      const life = { directory, files, primary, random, method: isSteady ? usual : pick(random, METHODS) }
      const end = await live(life, problems)
      ends[end] = (ends[end] ?? 0) + 1
      if (end === 'power') materialize(directory, files.restart())
      else files.revive()
      problems.push(...(await findProblems(directory, files.model.image, history, primary)))
    }
  } catch (error) {
    problems.push(`the run itself failed: ${(error as Error).stack}`)
  } finally {
    files.revive()
    rmSync(directory, { recursive: true, force: true })
  }
  return { lives, ends, acknowledgedBytes: primary.acknowledgedBytes, problems }
}

const HISTORIES = 4
const TIMELINES = 3

interface Life {
  readonly directory: string
  readonly files: CrashingFileSystem
  readonly primary: SimulatedPrimary
  readonly random: Random
  readonly method: string
}

/** @returns how it ended */
async function live(life: Life, problems: string[]): Promise<(typeof ENDS)[number]> {
  const { directory, files, primary, random, method } = life
  let end = pick(random, ENDS)
  const over = new AbortController()
  let isOver = false
  files.onEnd = () => {
    isOver = true
    over.abort()
  }
  if (end !== 'stop') files.cutPowerAfter(Math.floor(random() ** 2 * 400))
  files.fail = planFailures(random)
  primary.cutsLine = random() < 0.2 ? 0.03 : 0
  const verify = pick(random, [undefined, 'warn', 'stop'] as const)
  // Not all is confirmed at once then, and one that asks again and again counts as shutting down.
  primary.asksForReply = verify === 'stop' ? 0 : 0.1
  const receiver = new Receiver({
    connection: { ...primary.walsender.options, applicationName: 'campaign' },
    directory,
    slotName: 'campaign',
    synchronous: random() < 0.5,
    durable: true,
    statusIntervalMs: pick(random, [5, 50]),
    compression: parseCompression(method),
    verify,
    retry: { initial: true, everything: false, delayMs: () => 1 },
    newestServerMajor: 18,
    files,
    onEvent: (event) => void problems.push(...alarming(event)),
  })
  const run = receiver.run(over.signal).catch(() => 'failed')
  void run.then(() => {
    isOver = true
  })
  const stopAt = primary.end - BigInt(below(random, 3 * SEGMENT_SIZE))
  const promoteAt = random() < 0.3 ? stopAt - BigInt(below(random, SEGMENT_SIZE)) : null
  const limit = Date.now() + LIFE_LIMIT_MS
  let promoted = false
  while (!isOver && !primary.isAllWritten) {
    if (end === 'stop' && primary.written >= stopAt) break
    if (promoteAt !== null && !promoted && primary.written >= promoteAt) {
      primary.promote()
      promoted = true
    }
    if (Date.now() > limit) {
      problems.push(`no end after ${LIFE_LIMIT_MS} ms: ${JSON.stringify(receiver.progress, bigintText)}`)
      break
    }
    await sleep(1)
  }
  // Everything came, or enough of it: stopped, and often the power goes during that.
  if (!isOver) {
    if (end === 'stop' && random() < 0.5) end = 'power'
    if (end !== 'stop') files.cutPowerAfter(below(random, 30))
    over.abort()
  }
  await run
  if (!files.hasEnded) files.cutPowerAfter(0)
  for (let turn = 0; turn < 5; turn++) await nextTurn()
  return end
}

/** In every third life some calls fail. */
function planFailures(random: Random): (kind: CallKind) => string | undefined {
  if (random() > 0.33) return () => undefined
  const [kind, errno] = pick(random, FAILURES)
  let nth = 1 + below(random, kind === 'write' ? 60 : 8)
  return (call) => (call === kind && --nth === 0 ? errno : undefined)
}

/** Events that no disk and no line of this campaign can be the reason for. */
function alarming(event: ReceiveEvent): string[] {
  if (event.kind === 'wal-suspect' || event.kind === 'wal-damaged')
    return [`good WAL was called damaged: ${event.problem.text}`]
  if (event.kind === 'segment-skipped') return [event.reason]
  return []
}

async function findProblems(
  directory: string,
  image: Map<string, Buffer>,
  history: SimulatedHistory,
  primary: SimulatedPrimary,
): Promise<string[]> {
  const sent = (timeline: number, segment: bigint) => history.segment(timeline, segment)
  const nameOf = (timeline: number, segment: bigint) => history.segmentName(timeline, segment)
  const problems = await wrongFinalFiles(image, SEGMENT_SIZE, sent)
  problems.push(...(await wrongHistoryFiles(image, history)))
  const { start } = await findStreamingStart(directory, SEGMENT_SIZE)
  for (const range of claimed(history, primary.acknowledged, start))
    for (const { text } of await lackingBytes(image, range, SEGMENT_SIZE, nameOf, sent)) problems.push(text)
  return problems.map((problem) => `${problem} [${[...image.keys()].sort().join(' ')}]`)
}

async function wrongHistoryFiles(image: Map<string, Buffer>, history: SimulatedHistory): Promise<string[]> {
  const wrong: string[] = []
  for (const [name, bytes] of image) {
    const timeline = /^([0-9A-F]{8})\.history(\.gz|\.lz4)?$/.exec(name)?.[1]
    if (timeline === undefined) continue
    const content = await readableContent(name, bytes, Number.POSITIVE_INFINITY)
    if (content.toString() !== history.historyFile(Number.parseInt(timeline, 16)))
      wrong.push(`${name} is not what the server sent`)
  }
  return wrong
}

/**
 * What must be held: all up to what was acknowledged. Where a restart would begin later, all before that too; and of a
 * timeline that was left for a later one, all up to its end.
 */
export function claimed(
  history: SimulatedHistory,
  acknowledged: ReadonlyMap<number, Lsn>,
  restart: { readonly timeline: number; readonly lsn: Lsn } | null,
): ClaimedRange[] {
  const ranges: ClaimedRange[] = []
  const highest = Math.max(restart?.timeline ?? 1, ...acknowledged.keys())
  for (let timeline = 1; timeline <= highest; timeline++) {
    const { end } = history.timeline(timeline)
    const from = timelineStart(history, timeline)
    const next = timelineStart(history, timeline + 1 <= history.lastTimeline ? timeline + 1 : timeline)
    let to = acknowledged.get(timeline) ?? (0n as Lsn)
    if (restart !== null && restart.timeline >= timeline) to = lsnMax(to, lsnMin(restart.lsn, end))
    // The next timeline's first segment begins with these bytes, so up to its start is what only this one has.
    if (timeline < highest) to = lsnMax(to, segmentFloor(next, SEGMENT_SIZE))
    ranges.push({ timeline, from, to: lsnMin(to, end) })
  }
  return ranges
}

function materialize(directory: string, image: Map<string, Buffer>): void {
  rmSync(directory, { recursive: true })
  mkdirSync(directory)
  for (const [name, content] of image) writeFileSync(join(directory, name), content)
}

function bigintText(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString(16) : value
}
