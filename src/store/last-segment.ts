import { parseSegmentFileName, segmentFileName } from '../wal/index.js'
import { behindSegment, parseWalKey, walFolder } from './archive-layout.js'
import type { ObjectStore, OperationOptions } from './object-store.js'

/** Most objects a store returns for one list. */
const PAGE = 1000

/**
 * Number of the newest finished segment of a timeline.
 *
 * A timeline can hold millions of objects, and a store lists them only forwards. So the end is found by
 * leaps that double, and by halving the last leap: some 20 small lists at the worst, one when there are few.
 *
 * @returns null when there is none
 */
export async function lastSegment(
  store: ObjectStore,
  timeline: number,
  segmentSize: number,
  options: OperationOptions,
): Promise<bigint | null> {
  const highest = 2n ** 64n / BigInt(segmentSize)

  /** The first finished segments behind a number, at most `count`; empty when there are none. */
  const behind = async (segment: bigint | null, count: number): Promise<bigint[]> => {
    const after =
      segment === null ? undefined : behindSegment(segmentFileName(timeline, segment, segmentSize))
    const found: bigint[] = []
    for await (const { key } of store.list(walFolder(timeline), { ...options, after, pageSize: count })) {
      const object = parseWalKey(key)
      const name = object === null ? null : parseSegmentFileName(object.name, segmentSize)
      if (name === null || name.segment === found.at(-1)) continue
      found.push(name.segment)
      if (found.length >= count) break
    }
    return found
  }

  const first = await behind(null, PAGE)
  if (first.length < PAGE) return first.at(-1) ?? null
  /** Is there. */
  let low = first.at(-1)!
  /** Nothing is behind it. */
  let high = highest
  for (let leap = BigInt(PAGE); low + leap < highest; leap *= 2n) {
    const [found] = await behind(low + leap, 1)
    if (found === undefined) {
      high = low + leap
      break
    }
    low = found
  }
  while (high - low > BigInt(PAGE)) {
    const middle = (low + high) / 2n
    const [found] = await behind(middle, 1)
    if (found === undefined) high = middle
    else low = found
  }
  return (await behind(low, PAGE)).at(-1) ?? low
}
