/**
 * Carries out calls one after the other and lets none through after a failure: what comes after it
 * rejects with the same error. A failure may also come from work in the background; it counts as
 * reported once a call has rejected with it.
 */
export class CallQueue {
  #last: Promise<unknown> = Promise.resolve()
  #failure: { readonly error: unknown } | null = null
  #reported = false

  /** The first failure, undefined as long as there is none. */
  get failure(): unknown {
    return this.#failure?.error
  }

  run(call: () => Promise<void>): Promise<void> {
    return this.#enqueue(async () => {
      this.throwIfFailed()
      try {
        await call()
      } catch (error) {
        this.fail(error)
        this.throwIfFailed()
      }
    })
  }

  /** The last call: carried out after a failure too, and rejects only with one not reported yet. */
  runLast<Result>(call: () => Promise<Result>): Promise<Result> {
    return this.#enqueue(async () => {
      const result = await call()
      if (!this.#reported) this.throwIfFailed()
      return result
    })
  }

  /** Keeps a failure, if it is the first. */
  fail(error: unknown): void {
    this.#failure ??= { error }
  }

  throwIfFailed(): void {
    if (this.#failure === null) return
    this.#reported = true
    throw this.#failure.error
  }

  #enqueue<Result>(call: () => Promise<Result>): Promise<Result> {
    const result = this.#last.then(call)
    this.#last = result.catch(() => {})
    return result
  }
}
