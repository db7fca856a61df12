import type { Logger } from 'pino'
import { sleep } from '../base/index.js'
import { named } from './log-events.js'

const INTERVAL_MS = 60_000
const LIMIT_MS = 10_000

/**
 * Calls a URL once a minute while walship is ready and streams. Silence is the alarm: it also comes when the process, the
 * machine or the network is gone, which nothing that runs here could tell.
 */
export class Heartbeat {
  readonly #stop = new AbortController()
  #running: Promise<void> = Promise.resolve()

  start(url: URL, isReady: () => boolean, log: Logger, intervalMs = INTERVAL_MS): void {
    this.#running = this.#beat(url, isReady, log, intervalMs)
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  async #beat(url: URL, isReady: () => boolean, log: Logger, intervalMs: number): Promise<void> {
    let failing = false
    // A little later than the start, so that there is something to be ready.
    for (let waitMs = Math.min(5000, intervalMs); await sleep(waitMs, this.#stop.signal); ) {
      waitMs = intervalMs
      if (!isReady()) continue
      // Not AbortSignal.timeout joined by AbortSignal.any: that one is garbage collected, and never aborts.
      const limit = new AbortController()
      const abort = () => limit.abort()
      const timer = setTimeout(abort, LIMIT_MS)
      this.#stop.signal.addEventListener('abort', abort, { once: true })
      try {
        const { ok, status, body } = await fetch(url, { signal: limit.signal })
        await body?.cancel()
        if (!ok) throw new Error(`the answer was ${status}`)
        failing = false
      } catch (error) {
        // Not the URL: whoever knows it can beat in our place.
        if (!failing && !this.#stop.signal.aborted)
          log.warn(
            { event: named('heartbeat_failing'), code: 'HEARTBEAT' },
            `could not call the heartbeat URL at ${url.host}: ${reasonOf(error)}`,
          )
        failing = true
      } finally {
        clearTimeout(timer)
        this.#stop.signal.removeEventListener('abort', abort)
      }
    }
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? error.cause.message : error.message
}
