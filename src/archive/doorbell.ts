/** Lets a loop wait for a time or until somebody rings, whichever comes first. */
export class Doorbell {
  #rung = false
  #wake: (() => void) | null = null

  /** Cheap; a ring while no one waits is kept for the next wait. */
  ring(): void {
    this.#rung = true
    this.#wake?.()
  }

  /** @param durationMs at most so many milliseconds */
  async wait(durationMs: number, signal: AbortSignal): Promise<void> {
    if (!this.#rung && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, durationMs)
        const wake = () => {
          clearTimeout(timer)
          resolve()
        }
        this.#wake = wake
        signal.addEventListener('abort', wake, { once: true })
        this.#cleanUp = () => signal.removeEventListener('abort', wake)
      })
      this.#cleanUp()
      this.#wake = null
    }
    this.#rung = false
  }

  #cleanUp: () => void = () => {}
}
