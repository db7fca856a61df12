/** The rules of docs/archive.md for what an archive costs in requests. */

/** So many parts of a tail become one. */
export const PARTS_PER_MERGE = 32
/** Itself, and its index. */
export const PUTS_PER_SEGMENT = 2
/** Before and after it is stored, for what another compression may have made of it. */
export const LISTS_PER_SEGMENT = 2
/** When it is begun, and when it is removed. */
export const LISTS_PER_TAIL = 2

export interface Requests {
  readonly puts: number
  readonly lists: number
  readonly heads: number
  readonly deletes: number
}

/** Merges of the parts of one segment; merged parts are merged again. */
export function mergesOf(parts: number): number {
  const merged = Math.floor(parts / PARTS_PER_MERGE)
  return merged === 0 ? 0 : merged + mergesOf(merged)
}

/** @param parts of each segment's tail; 0 without a tail */
export function requestsFor(segments: number, parts: number): Requests {
  const merges = mergesOf(parts)
  return {
    puts: segments * (PUTS_PER_SEGMENT + parts + merges),
    lists: segments * (LISTS_PER_SEGMENT + (parts === 0 ? 0 : LISTS_PER_TAIL)),
    heads: segments,
    deletes: segments * (parts + merges),
  }
}

/** With WAL written all the time. @param intervalSeconds of the tail; 0: none */
export function requestsPerHour(segments: number, intervalSeconds: number): Requests {
  return requestsFor(segments, intervalSeconds === 0 ? 0 : Math.floor(3600 / intervalSeconds / segments))
}
