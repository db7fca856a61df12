/**
 * Decodes one LZ4 block: sequences of literals and of matches that copy bytes already decoded.
 *
 * Our own and not the library's, because a linked block (pg_receivewal writes those) refers to up
 * to 64 kB of the blocks before it, which must lie directly in front of the output.
 * Specification: https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md
 *
 * @param source one whole block
 * @param target receives the bytes from `start` on; what lies before `start` may be referred to
 * @param start where to begin in `target`
 * @returns where the decoded bytes end in `target`, or -1 when the block is damaged or does not fit
 */
export function decodeLz4Block(source: Buffer, target: Buffer, start: number): number {
  const sourceEnd = source.length
  const targetEnd = target.length
  let from = 0
  let to = start
  while (from < sourceEnd) {
    const token = source[from++]!
    let literals = token >>> 4
    if (literals === 15) {
      let more: number
      do {
        if (from >= sourceEnd) return -1
        more = source[from++]!
        literals += more
      } while (more === 255)
    }
    if (from + literals > sourceEnd || to + literals > targetEnd) return -1
    if (literals > 0) {
      source.copy(target, to, from, from + literals)
      from += literals
      to += literals
    }
    // The last sequence of a block has no match.
    if (from === sourceEnd) return to

    if (from + 2 > sourceEnd) return -1
    const distance = source[from]! | (source[from + 1]! << 8)
    from += 2
    let length = (token & 15) + 4
    if (length === 19) {
      let more: number
      do {
        if (from >= sourceEnd) return -1
        more = source[from++]!
        length += more
      } while (more === 255)
    }
    const match = to - distance
    if (distance === 0 || match < 0 || to + length > targetEnd) return -1
    copyMatch(target, match, to, length)
    to += length
  }
  // A block ends with literals, never with a match; an empty one is no block at all.
  return -1
}

/** Copies a match that may overlap what it writes: then the bytes repeat, with period `to - match`. */
function copyMatch(target: Buffer, match: number, to: number, length: number): void {
  const distance = to - match
  if (distance === 1) {
    target.fill(target[match]!, to, to + length)
    return
  }
  if (length < 24) {
    for (let i = 0; i < length; i++) target[to + i] = target[match + i]!
    return
  }
  let done = 0
  let period = distance
  while (done < length) {
    const count = Math.min(period, length - done)
    target.copyWithin(to + done, match, match + count)
    done += count
    // What has been copied extends the repeating part, so that the next copy can be twice as long.
    if (count === period) period *= 2
  }
}
