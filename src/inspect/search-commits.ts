import { parseTransaction } from '../records/index.js'
import { type Lsn, segmentNumber } from '../wal/index.js'
import type { LineFacts, SegmentFacts } from './line-facts.js'
import { type EndedTransaction, TransactionCollector } from './transactions.js'

/** Segments with commits that are looked at before the one that halving found: commits are not quite in order. */
const LOOK_BACK = 3

/** The latest commit that begins in a segment; null when none does. */
function lastCommitTimeOf({ index, between }: SegmentFacts): bigint | null {
  const ended = between === null ? null : parseTransaction(between)
  const isCommit = ended?.kind === 'commit' || ended?.kind === 'commit-prepared'
  const last = index.lastCommitTime
  if (ended === null || !isCommit) return last
  return last === null || ended.time > last ? ended.time : last
}

/**
 * The first segment with a commit later than a moment. By halving, because commit times grow with positions, nearly.
 *
 * @returns null when there is none
 */
export async function firstCommitAfter(line: LineFacts, time: bigint): Promise<number | null> {
  const latest = async (number: number) => {
    const facts = await line.facts(number)
    return facts === null ? null : lastCommitTimeOf(facts)
  }
  let low = 0
  let high = line.files.length
  let best: number | null = null
  while (low < high) {
    const middle = (low + high) >> 1
    let number = middle
    let last = await latest(number)
    while (last === null && number + 1 < high) last = await latest(++number)
    if (last === null) high = middle
    else if (last > time) {
      best = number
      high = middle
    } else low = number + 1
  }
  let looked = 0
  for (let number = (best ?? line.files.length) - 1; number >= 0 && looked < LOOK_BACK; number--) {
    const last = await latest(number)
    if (last === null) continue
    if (last > time) best = number
    looked++
  }
  return best
}

/** The commits on both sides of a place: what a recovery to there keeps last, and what it loses first. */
export async function neighbours(
  line: LineFacts,
  segmentSize: number,
  { lsn, inclusive }: { readonly lsn: Lsn; readonly inclusive: boolean },
): Promise<{ lastKept: EndedTransaction | null; firstLost: EndedTransaction | null }> {
  const segment = segmentNumber(lsn, segmentSize)
  const place = line.files.findIndex((file) => file.segment === segment)
  const isKept = (each: EndedTransaction) => (inclusive ? each.lsn <= lsn : each.lsn < lsn)
  let lastKept: EndedTransaction | null = null
  let firstLost: EndedTransaction | null = null
  const look = async (number: number) => {
    const collector = new TransactionCollector()
    await line.scan(number, number, (record) => {
      const ended = collector.take(record)
      if (ended === null || (ended.kind !== 'commit' && ended.kind !== 'commit-prepared')) return
      if (isKept(ended)) {
        if (lastKept === null || ended.lsn > lastKept.lsn) lastKept = ended
      } else if (firstLost === null || ended.lsn < firstLost.lsn) firstLost = ended
    })
  }
  const mayHold = async (number: number) => {
    const facts = await line.facts(number)
    return facts !== null && lastCommitTimeOf(facts) !== null
  }
  await look(place)
  for (let number = place - 1; number >= 0 && lastKept === null; number--)
    if (await mayHold(number)) await look(number)
  for (let number = place + 1; number < line.files.length && firstLost === null; number++)
    if (await mayHold(number)) await look(number)
  return { lastKept, firstLost }
}
