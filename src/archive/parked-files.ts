interface Parked {
  /** Milliseconds since the epoch. */
  readonly until: number
  /** Code of the error that was told; null when it may have been the store's fault. */
  readonly told: string | null
  /** What the store had done when the file was tried for the first time. */
  readonly successesBefore: number
}

/** Files that cannot be sent although the store works, set aside until they are tried again. */
export class ParkedFiles {
  readonly #quietLimit: number
  readonly #parked = new Map<string, Parked>()

  /** @param quietLimit files that may be parked although nothing else got through */
  constructor(quietLimit: number) {
    this.#quietLimit = quietLimit
  }

  /** Files whose error was told: they are stuck for a reason of their own. */
  get stuckCount(): number {
    return [...this.#parked.values()].filter(({ told }) => told !== null).length
  }

  /** More files may give their place to others although the store may be to blame. */
  get mayParkQuietly(): boolean {
    return this.#parked.size - this.stuckCount < this.#quietLimit
  }

  /** It may be tried (again) now. */
  isFree(name: string): boolean {
    return (this.#parked.get(name)?.until ?? 0) <= Date.now()
  }

  /** What the store had done when a parked file was tried for the first time; undefined for one that is not parked. */
  successesBefore(name: string): number | undefined {
    return this.#parked.get(name)?.successesBefore
  }

  /**
   * @param told code of the error when it is the file's own; null: it may have been the store's fault
   * @returns true when that error was not told before
   */
  park(name: string, waitMs: number, told: string | null, successesBefore: number): boolean {
    const before = this.#parked.get(name)?.told ?? null
    this.#parked.set(name, { until: Date.now() + waitMs, told: told ?? before, successesBefore })
    return told !== null && told !== before
  }

  release(name: string): void {
    this.#parked.delete(name)
  }
}
