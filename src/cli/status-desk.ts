import type { Logger } from 'pino'
import { fleetOf } from '../status/index.js'
import type { ClusterCommand } from './cluster-command.js'
import { ClusterStatus } from './cluster-status.js'
import { Heartbeat } from './heartbeat.js'
import type { ProgramHost } from './program-host.js'
import { ServiceNotice } from './service-notice.js'
import type { StatusBoard } from './status-board.js'
import type { StatusSettings } from './status-options.js'
import { StatusPublisher } from './status-publisher.js'

/**
 * All that `walship receive` tells of itself besides its log: the window, the heartbeat, systemd; one of each for
 * all clusters. Without an option that asks for it there are no boards and nothing is gathered.
 */
export class StatusDesk {
  /** In the order of the configuration file. */
  readonly clusters: readonly ClusterStatus[]
  readonly #settings: StatusSettings
  readonly #host: ProgramHost
  readonly #publisher = new StatusPublisher()
  readonly #heartbeat = new Heartbeat()
  readonly #notice: ServiceNotice

  /** @param clusters one at least */
  constructor(settings: StatusSettings, host: ProgramHost, clusters: readonly ClusterCommand[]) {
    this.#settings = settings
    this.#host = host
    this.#notice = new ServiceNotice(host.environment)
    const isWanted =
      settings.http !== null || settings.heartbeatUrl !== null || host.environment.NOTIFY_SOCKET !== undefined
    this.clusters = clusters.map((command) => new ClusterStatus(command, host, isWanted))
  }

  /** @throws WalshipError for a file of the settings that cannot be read */
  async open(log: Logger): Promise<void> {
    const boards = this.clusters.map(({ board }) => board).filter((board) => board !== null)
    if (boards.length === 0) return
    const { heartbeatUrl } = this.#settings
    const fleet = () => fleetOf(boards.map((board) => board.snapshot()))
    await this.#publisher.start(this.#settings, boards, this.#host, log)
    // A standby is well while the one it waits for hangs.
    const isStandingBy = () => boards.every((board) => board.snapshot().stream.state === 'standby')
    if (heartbeatUrl !== null)
      this.#heartbeat.start(heartbeatUrl, () => fleet().ready && !isStandingBy(), log)
    this.#notice.ready(() => headlineOf(boards))
  }

  /** @param line a record of the log, as JSON, with its secrets already masked */
  onLogLine(line: string): void {
    if (this.clusters[0]?.board === null) return
    const record = JSON.parse(line) as Record<string, unknown>
    // What no cluster has said is about all of them.
    for (const cluster of this.clusters)
      if (record.cluster === undefined || record.cluster === cluster.name) cluster.onLogRecord(record)
  }

  async close(): Promise<void> {
    this.#notice.stopping()
    const clusters = this.clusters.map((cluster) => cluster.close())
    await Promise.all([this.#heartbeat.close(), this.#publisher.close(), ...clusters])
  }
}

function headlineOf(boards: readonly StatusBoard[]): string {
  const snapshots = boards.map((board) => board.snapshot())
  const [first] = snapshots
  return first!.cluster === null ? first!.verdict.headline : fleetOf(snapshots).headline
}
