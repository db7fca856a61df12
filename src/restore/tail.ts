import { RestoreError } from './errors.js'
import type { CachedTail, TailCache } from './tail-cache.js'
import { hasHole, type TailRange, tailChain } from './tail-chain.js'

export interface JoinedTail {
  /** From offset 0 of the segment; empty when the beginning is not there. */
  readonly bytes: Buffer
  /** True when some part could not be joined: parts were being removed or added meanwhile, or one never arrived. */
  readonly hole: boolean
}

/**
 * Joins the parts of an open segment from offset 0 on, downloading only those that the cache lacks.
 *
 * The cache counts only while every part it was made of is still in the store; parts are never rewritten, so then
 * what the store holds begins with what is cached.
 *
 * @param parts what the store lists, in any order
 * @param read brings one of them; throws when it is gone, or is not what was stored
 * @throws RestoreError `RESTORE_CORRUPT` when overlapping parts disagree
 * @throws what `read` throws
 */
export async function joinTail<Part extends TailRange>(
  name: string,
  parts: readonly Part[],
  read: (part: Part) => Promise<Buffer>,
  cache: TailCache,
): Promise<JoinedTail> {
  const cached = await cache.read(name)
  const kept = partsOf(cached, parts)
  const chain = tailChain(parts, kept ?? [])
  const pieces: Buffer[] = kept === null ? [] : [cached.bytes]
  const newParts = chain.slice(kept?.length ?? 0)
  let end = kept?.at(-1)?.to ?? 0
  let last = pieces.at(-1)
  for (const part of newParts) {
    const bytes = await read(part)
    if (bytes.length !== part.to - part.from)
      throw corrupt(name, part, `it has ${bytes.length} bytes in place of ${part.to - part.from}`)
    const overlap = Math.min(end - part.from, last?.length ?? 0)
    if (
      overlap > 0 &&
      !bytes.subarray(end - part.from - overlap, end - part.from).equals(last!.subarray(-overlap))
    )
      throw corrupt(name, part, 'it differs from the part before it where they overlap')
    last = bytes.subarray(end - part.from)
    pieces.push(last)
    end = part.to
  }
  const bytes = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces)
  if (newParts.length > 0) await cache.write(name, { chain, bytes })
  return { bytes, hole: hasHole(parts, chain) }
}

/** The parts the cache was made of, as they are listed now; null when one is not. */
function partsOf<Part extends TailRange>(cached: CachedTail, parts: readonly Part[]): Part[] | null {
  if (cached.chain.length === 0) return null
  const found: Part[] = []
  for (const { from, to } of cached.chain) {
    const part = parts.find((each) => each.from === from && each.to === to)
    if (part === undefined) return null
    found.push(part)
  }
  return found
}

function corrupt(name: string, part: TailRange, reason: string): RestoreError {
  return new RestoreError(`part ${part.from}-${part.to} of open segment ${name} is not usable: ${reason}`, {
    code: 'RESTORE_CORRUPT',
    hint: 'check who else writes to this archive',
  })
}
