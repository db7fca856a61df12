/** All kinds of disasters by name, each as something that can be run with a seed. */
import type { PostgresServer } from '../../scripts/postgres-server.js'
import { peerIsInstalled } from '../live/peer.js'
import { canMount } from '../live/small-disk.js'
import { DISASTERS } from './disasters.js'
import { olderVersion } from './disk-disasters.js'
import { type Program, startServer } from './lab.js'
import { liveRun } from './live-run.js'
import { powerCutRun } from './power-cut.js'
import { promotionRun } from './promotion-run.js'
import { recordedRun } from './recorded-run.js'
import { shimIsThere } from './shim.js'
import { storeRun } from './store-run.js'
import { userRun } from './user-run.js'

export interface Outcome {
  /** Disasters that were done. */
  readonly strikes: number
  readonly acknowledgedBytes: number
  readonly lostBytes: number
  readonly problems: readonly string[]
  /** How the receiver was set up, in a few words. */
  readonly setup: string
}

export interface Kind {
  readonly what: string
  readonly programs: readonly Program[]
  /** Why it cannot be run here; null when it can. */
  missing(program: Program): string | null
  run(ground: Ground, seed: number, program: Program): Promise<Outcome>
}

/** Servers that runs share. */
export class Ground implements AsyncDisposable {
  readonly #servers = new Map<Program, Promise<PostgresServer>>()

  server(program: Program): Promise<PostgresServer> {
    let server = this.#servers.get(program)
    if (server === undefined) {
      server = startServer(program)
      this.#servers.set(program, server)
    }
    return server
  }

  /** A fresh server for what comes: the WAL of the old one is not to fill the disk. */
  async renew(): Promise<void> {
    const servers = [...this.#servers.values()]
    this.#servers.clear()
    for (const server of servers) await (await server)[Symbol.asyncDispose]()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.renew()
  }
}

const EVERY_PROGRAM: readonly Program[] = ['walship', 'drop-in', 'pg_receivewal']

function missingPeer(program: Program): string | null {
  return program === 'pg_receivewal' && !peerIsInstalled ? 'pg_receivewal 15 is not installed' : null
}

const withoutShim = () => (shimIsThere() ? null : 'the library that is preloaded cannot be built here')

function liveKinds(): Record<string, Kind> {
  const kinds: Record<string, Kind> = {}
  for (const [name, disaster] of Object.entries(DISASTERS)) {
    kinds[name] = {
      what: disaster.what,
      programs: ['takeover', 'upgrade'].includes(name) ? ['walship', 'drop-in'] : EVERY_PROGRAM,
      missing: (program) =>
        missingPeer(name === 'takeover' ? 'pg_receivewal' : program) ??
        (name === 'upgrade' && olderVersion() === null
          ? 'WALSHIP_CAMPAIGN_OLDER does not name an older bin/pg_receivewal'
          : null) ??
        (disaster.needsShim ? withoutShim() : null) ??
        (name === 'full-disk' && !canMount() ? 'nothing can be mounted here' : null),
      async run(ground, seed, program) {
        // The peer's own server, so that it can be the one before.
        const server = await ground.server(name === 'takeover' ? 'pg_receivewal' : program)
        const result = await liveRun(server, name, seed, program)
        return { ...result, setup: JSON.stringify(result.setup) }
      },
    }
  }
  return kinds
}

export const KINDS: Readonly<Record<string, Kind>> = {
  'power-model': {
    what: 'power cuts, kills and failing calls on a modelled disk',
    programs: ['walship'],
    missing: () => null,
    async run(_, seed) {
      const { lives, ends, acknowledgedBytes, problems } = await powerCutRun(seed)
      return { strikes: lives, acknowledgedBytes, lostBytes: 0, problems, setup: JSON.stringify(ends) }
    },
  },
  power: {
    what: 'power cut, at points of the recorded calls of the real process',
    programs: EVERY_PROGRAM,
    missing: (program) => missingPeer(program) ?? withoutShim(),
    async run(ground, seed, program) {
      const result = await recordedRun(await ground.server(program), seed, program)
      return { ...result, strikes: result.cuts, setup: JSON.stringify(result.setup) }
    },
  },
  ...liveKinds(),
  promotion: {
    what: 'promotions of standbys, several in a row, the source a standby',
    programs: EVERY_PROGRAM,
    missing: missingPeer,
    run: (_, seed, program) => promotionRun(seed, program),
  },
  user: {
    what: 'the primary lost: recovery from what was received, against the log of commits',
    programs: EVERY_PROGRAM,
    missing: missingPeer,
    run: (_, seed, program) => userRun(seed, program),
  },
  store: {
    what: 'faults of the store with kills and cuts, --ack archived',
    programs: ['walship'],
    missing: () => null,
    run: (ground, seed) => storeRun(ground, seed),
  },
}
