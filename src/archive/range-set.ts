/** Half open: `from` is in, `to` is not. */
export interface Range {
  readonly from: bigint
  readonly to: bigint
}

/**
 * A set of segment numbers kept as ranges: WAL comes in order, so that a hundred thousand segments
 * are most often one or two ranges, and memory does not grow with the length of an outage.
 */
export class RangeSet {
  #ranges: Range[] = []

  constructor(ranges: Iterable<Range> = []) {
    for (const { from, to } of ranges) this.add(from, to)
  }

  static of(values: Iterable<bigint>): RangeSet {
    const set = new RangeSet()
    for (const value of values) set.add(value)
    return set
  }

  get ranges(): readonly Range[] {
    return this.#ranges
  }

  get size(): number {
    return this.#ranges.reduce((sum, { from, to }) => sum + Number(to - from), 0)
  }

  /** How many numbers are `value` or above. */
  countFrom(value: bigint): number {
    return this.#ranges.reduce((sum, { from, to }) => {
      const low = from > value ? from : value
      return low < to ? sum + Number(to - low) : sum
    }, 0)
  }

  get first(): bigint | null {
    return this.#ranges[0]?.from ?? null
  }

  get last(): bigint | null {
    const range = this.#ranges.at(-1)
    return range === undefined ? null : range.to - 1n
  }

  has(value: bigint): boolean {
    return this.#rangeOf(value) !== undefined
  }

  add(from: bigint, to: bigint = from + 1n): void {
    if (from >= to) return
    const last = this.#ranges.at(-1)
    if (last === undefined || last.to < from) {
      this.#ranges.push({ from, to })
      return
    }
    const apart = (range: Range) => range.to < from || range.from > to
    let joined = { from, to }
    for (const range of this.#ranges) {
      if (apart(range)) continue
      joined = {
        from: range.from < joined.from ? range.from : joined.from,
        to: range.to > joined.to ? range.to : joined.to,
      }
    }
    const before = this.#ranges.filter((range) => range.to < from)
    const after = this.#ranges.filter((range) => range.from > to)
    this.#ranges = [...before, joined, ...after]
  }

  addAll(other: RangeSet): void {
    for (const { from, to } of other.ranges) this.add(from, to)
  }

  delete(value: bigint): void {
    this.#ranges = this.#ranges.flatMap((range) => {
      if (value < range.from || value >= range.to) return [range]
      return [
        { from: range.from, to: value },
        { from: value + 1n, to: range.to },
      ].filter(({ from, to }) => from < to)
    })
  }

  /** What is here and not in the other. */
  without(other: RangeSet): RangeSet {
    const result = new RangeSet()
    for (const { from, to } of this.#ranges) {
      let at = from
      for (const hole of other.ranges) {
        if (hole.to <= at || hole.from >= to) continue
        result.add(at, hole.from)
        at = hole.to
      }
      result.add(at, to)
    }
    return result
  }

  /** What is both here and in the other. */
  within(other: RangeSet): RangeSet {
    return this.without(this.without(other))
  }

  /** The first number from `value` on that is not in the set. */
  firstMissing(value: bigint): bigint {
    return this.#rangeOf(value)?.to ?? value
  }

  /** The lowest number from which on all up to `end` (not included) are in the set; `end` if there is none. */
  runBefore(end: bigint): bigint {
    return this.#rangeOf(end - 1n)?.from ?? end
  }

  *[Symbol.iterator](): Generator<bigint> {
    for (const { from, to } of this.#ranges) {
      for (let value = from; value < to; value += 1n) yield value
    }
  }

  #rangeOf(value: bigint): Range | undefined {
    return this.#ranges.findLast(({ from, to }) => value >= from && value < to)
  }
}
