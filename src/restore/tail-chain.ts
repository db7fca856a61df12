/** One object of the open segment's tail: the bytes from one offset in the segment to another. */
export interface TailRange {
  readonly from: number
  /** exclusive */
  readonly to: number
}

/**
 * The parts that make up the longest beginning of a segment without a hole. Parts may overlap: while many
 * small ones are replaced by one that covers them, both are there.
 *
 * @param parts in any order
 * @param start a chain to go on from; empty to begin at offset 0
 */
export function tailChain<Part extends TailRange>(parts: readonly Part[], start: readonly Part[]): Part[] {
  const chain = [...start]
  for (;;) {
    const end = chain.at(-1)?.to ?? 0
    let next: Part | undefined
    for (const part of parts) if (part.from <= end && part.to > (next?.to ?? end)) next = part
    if (next === undefined) return chain
    chain.push(next)
  }
}

/** True when there are parts behind the end of a chain, so that something between them is missing. */
export function hasHole(parts: readonly TailRange[], chain: readonly TailRange[]): boolean {
  const end = chain.at(-1)?.to ?? 0
  return parts.some((part) => part.to > end)
}
