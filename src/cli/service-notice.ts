import { execFile } from 'node:child_process'
import { oneLine } from '../status/index.js'

/**
 * What systemd wants to hear of a service (sd_notify(3)): that it is up, that it lives, what it does.
 *
 * Node.js has no datagram sockets of the Unix kind, so `systemd-notify` brings the word, which every system
 * with systemd has. The unit says `NotifyAccess=all`. A word that does not get there stops nothing here; a
 * watchdog that hears nothing restarts the service, which is what it is for.
 */
export class ServiceNotice {
  readonly #environment: Readonly<Record<string, string | undefined>>
  #timer: NodeJS.Timeout | null = null

  constructor(environment: Readonly<Record<string, string | undefined>>) {
    this.#environment = environment
  }

  /** The service is up. From now on the watchdog hears of it, as long as the event loop turns. */
  ready(status: () => string): void {
    if (this.#environment.NOTIFY_SOCKET === undefined) return
    this.#tell('READY=1', `STATUS=${oneLine(status())}`)
    const watchdogMs = this.#watchdogMs()
    if (watchdogMs === null) return
    const beat = () => this.#tell('WATCHDOG=1', `STATUS=${oneLine(status())}`)
    // Half of the time, as sd_watchdog_enabled(3) advises.
    this.#timer = setInterval(beat, watchdogMs / 2).unref()
  }

  stopping(): void {
    if (this.#timer !== null) clearInterval(this.#timer)
    this.#timer = null
    if (this.#environment.NOTIFY_SOCKET !== undefined) this.#tell('STOPPING=1')
  }

  #watchdogMs(): number | null {
    const { WATCHDOG_USEC, WATCHDOG_PID } = this.#environment
    const ms = Number(WATCHDOG_USEC) / 1000
    if (!Number.isFinite(ms) || ms <= 0) return null
    return WATCHDOG_PID === undefined || Number(WATCHDOG_PID) === process.pid ? ms : null
  }

  #tell(...words: string[]): void {
    const { NOTIFY_SOCKET, PATH } = this.#environment
    execFile('systemd-notify', words, { env: { NOTIFY_SOCKET, PATH }, timeout: 10_000 }, () => {})
  }
}
