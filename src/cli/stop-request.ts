import type { SignalSource } from './program-host.js'

const STOP_SIGNALS = ['SIGINT', 'SIGTERM'] as const

/**
 * The wish of a person or a supervisor to end: the first SIGINT or SIGTERM aborts `signal`,
 * which stops cleanly (write, fsync, tell the server). A second one means "now": whoever
 * sends it has seen that the clean way takes too long, for example with a dead disk.
 */
export class StopRequest {
  readonly #controller = new AbortController()
  readonly #source: SignalSource
  readonly #onSecond: (signal: NodeJS.Signals) => void
  readonly #listeners = new Map<NodeJS.Signals, () => void>()

  /** @param onSecond what to do when a second signal comes */
  constructor(source: SignalSource, onSecond: (signal: NodeJS.Signals) => void) {
    this.#source = source
    this.#onSecond = onSecond
  }

  /** Aborted by the first signal. */
  get signal(): AbortSignal {
    return this.#controller.signal
  }

  get listening(): boolean {
    return this.#listeners.size > 0
  }

  /** From here on signals are a wish to stop; before, they end the process by default. */
  listen(): void {
    if (this.listening) return
    for (const name of STOP_SIGNALS) {
      const listener = () => {
        if (this.#controller.signal.aborted) this.#onSecond(name)
        else this.#controller.abort(name)
      }
      this.#listeners.set(name, listener)
      this.#source.on(name, listener)
    }
  }

  close(): void {
    for (const [name, listener] of this.#listeners) this.#source.off(name, listener)
    this.#listeners.clear()
  }
}

/**
 * Node opens a debugger port on SIGUSR1, which nobody who signals an archiver wants.
 * With this the signal ends the process, as it ends pg_receivewal.
 */
export function endOnDebuggerSignal(source: SignalSource): void {
  const listener = () => {
    source.off('SIGUSR1', listener)
    source.raise('SIGUSR1')
  }
  source.on('SIGUSR1', listener)
}
