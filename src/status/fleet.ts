import { count } from './quantity-text.js'
import type { StatusSnapshot, VerdictLevel } from './snapshot.js'

/** Several clusters of one process. What is told of each is its snapshot. */
export interface Fleet {
  readonly formatVersion: 1
  readonly takenAt: string
  /** Of the cluster that is worst off. */
  readonly level: VerdictLevel
  /** One sentence. */
  readonly headline: string
  /** All are. */
  readonly ready: boolean
  readonly clusters: readonly StatusSnapshot[]
}

/** The worst last. Not to know is worse than a warning, whose reason is known. */
const LEVELS: readonly VerdictLevel[] = ['safe', 'warning', 'unknown', 'danger']

/** @param clusters one at least */
export function fleetOf(clusters: readonly StatusSnapshot[]): Fleet {
  const worst = clusters.reduce((a, b) => (badness(b) > badness(a) ? b : a))
  const { level, headline } = worst.verdict
  const alike = clusters.filter(({ verdict }) => verdict.level === level).length
  const others = alike === 1 ? '' : `, and ${count(alike - 1, 'other')} like it`
  return {
    formatVersion: 1,
    takenAt: worst.takenAt,
    level,
    headline:
      level === 'safe'
        ? `all ${clusters.length} clusters are safe`
        : `${worst.cluster}: ${oneLine(headline)}${others}`,
    ready: clusters.every(({ verdict }) => verdict.ready),
    clusters,
  }
}

/** What `/status.json` has: the snapshot itself where there is only the one of a command line. */
export function statusOf(clusters: readonly StatusSnapshot[]): StatusSnapshot | Fleet {
  const [first] = clusters
  return clusters.length === 1 && first!.cluster === null ? first! : fleetOf(clusters)
}

function badness({ verdict }: StatusSnapshot): number {
  return LEVELS.indexOf(verdict.level)
}

/** Messages of servers have several lines. */
export function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ')
}
