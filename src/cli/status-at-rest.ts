import { open, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { partialExtent } from '../archive/index.js'
import { findStreamingStart, readSystemIdentifier } from '../segments/index.js'
import {
  type ArchiveState,
  buildSnapshot,
  type CoverageState,
  DEFAULT_THRESHOLDS,
  joinRanges,
  type LsnRange,
  PositionMarks,
  type StatusFacts,
  type StatusSnapshot,
} from '../status/index.js'
import { type Lsn, lsnAdd, parseSegmentFileName, segmentFileName, segmentStart } from '../wal/index.js'
import { commitWindow } from './commit-window.js'
import { measureDirectory } from './directory-usage.js'
import type { OptionValues } from './environment-values.js'
import { openArchive } from './fetch-store.js'
import { listCoverage } from './list-coverage.js'
import type { ProgramHost } from './program-host.js'

interface LocalWal {
  readonly path: string
  readonly segmentSize: number
  readonly systemIdentifier: string
  /** Complete, uncompressed or not. */
  readonly finished: readonly LsnRange[]
  readonly end: { readonly timeline: number; readonly lsn: Lsn } | null
}

/**
 * The snapshot of a directory and a store that nobody runs on, or that is not asked. It knows no server, and so
 * no lag.
 *
 * @throws WalshipError
 */
export async function snapshotAtRest(
  cluster: string | null,
  values: OptionValues,
  host: ProgramHost,
): Promise<StatusSnapshot> {
  const path = typeof values.directory === 'string' ? values.directory : null
  const local = path === null ? null : await readDirectory(path)
  if (values.store === undefined) return assemble(cluster, path, local, null, null)
  await using opened = await openArchive(values, host)
  const { archive } = opened
  if (archive.identity === null) return assemble(cluster, path, local, archive.name, holding([]))
  const listed = await listCoverage(archive)
  const coverage = { ...listed, commits: await commitWindow(archive, listed, new AbortController().signal) }
  return assemble(cluster, path, local, archive.name, { ...coverage, onItsWay: local?.finished ?? [] })
}

/** Of a place that is known by its ranges alone. */
function holding(held: readonly LsnRange[]): CoverageState {
  return { listedAt: new Date(), held, onItsWay: [], recordedGaps: [], ancestors: [], commits: null }
}

async function assemble(
  cluster: string | null,
  path: string | null,
  local: LocalWal | null,
  store: string | null,
  archived: CoverageState | null,
): Promise<StatusSnapshot> {
  const inDirectory: CoverageState | null = local === null ? null : holding(local.finished)
  const last = archived?.held.at(-1) ?? null
  const nowhere = { freeBytes: null, totalBytes: null, walFiles: null, walBytes: null }
  const facts: StatusFacts = {
    source: 'at-rest',
    cluster,
    now: new Date(),
    nowMs: performance.now(),
    marks: new PositionMarks(),
    process: null,
    stream: {
      state: 'at-rest',
      since: null,
      standby: null,
      timeline: local?.end?.timeline ?? last?.timeline ?? null,
      serverSeenAt: null,
      systemIdentifier: local?.systemIdentifier ?? null,
      lastError: null,
    },
    positions: {
      received: null,
      written: local?.end?.lsn ?? null,
      flushed: null,
      verified: null,
      archived: last?.to ?? null,
      reported: null,
    },
    archive: store === null ? null : await archiveAtRest(store, local, archived!),
    slot: {
      name: null,
      unknown: 'no server is asked',
      checkedAt: null,
      active: null,
      walStatus: null,
      safeWalBytes: null,
      retainedBytes: null,
    },
    directory: {
      ...(path === null ? { path: '', ...nowhere } : await measureDirectory(path)),
      minFreeBytes: 0,
    },
    counters: {
      connects: 0,
      streamFailures: 0,
      breakdowns: 0,
      timelineSwitches: 0,
      receivedBytes: 0,
      segmentsFinished: 0,
      damagedPlaces: 0,
      segmentsArchived: 0,
      uploadFailures: 0,
    },
    coverage: archived ?? inDirectory,
    events: [],
  }
  return buildSnapshot(facts, DEFAULT_THRESHOLDS)
}

/** Finished segments of the directory that the store does not list are what waits. */
async function archiveAtRest(
  store: string,
  local: LocalWal | null,
  { held }: CoverageState,
): Promise<ArchiveState> {
  const waiting: { readonly timeline: number; readonly start: Lsn }[] = []
  for (const { timeline, from, to } of local?.finished ?? []) {
    for (let start = from; start < to; start = lsnAdd(start, local!.segmentSize)) {
      const isHeld = held.some(
        (range) => range.timeline === timeline && range.from <= start && range.to > start,
      )
      if (!isHeld) waiting.push({ timeline, start })
    }
  }
  const [oldest] = waiting
  return {
    store,
    state: 'at-rest',
    failingSince: null,
    lastError: null,
    lastSuccessAt: null,
    pendingSegments: local === null ? null : waiting.length,
    pendingBytes: local === null ? null : waiting.length * local.segmentSize,
    oldestPendingAt: oldest === undefined ? null : await finishedAt(local!, oldest),
    stuckFiles: null,
  }
}

async function finishedAt(
  { path, segmentSize }: LocalWal,
  { timeline, start }: { readonly timeline: number; readonly start: Lsn },
): Promise<Date | null> {
  const name = segmentFileName(timeline, start / BigInt(segmentSize), segmentSize)
  return stat(join(path, name)).then(
    ({ mtime }) => mtime,
    () => null,
  )
}

/** @throws WalFileError */
async function readDirectory(path: string): Promise<LocalWal | null> {
  const identity = await readSystemIdentifier(path)
  if (identity === null) return null
  const { segmentSize } = identity
  const finished: LsnRange[] = []
  for (const name of await readdir(path)) {
    const id = /^[0-9A-F]{24}(\.gz|\.lz4)?$/.test(name)
      ? parseSegmentFileName(name.slice(0, 24), segmentSize)
      : null
    if (id === null) continue
    const from = segmentStart(id.segment, segmentSize)
    finished.push({ timeline: id.timeline, from, to: lsnAdd(from, segmentSize) })
  }
  const { start } = await findStreamingStart(path, segmentSize)
  return {
    path,
    segmentSize,
    systemIdentifier: String(identity.systemIdentifier),
    finished: joinRanges(finished),
    end:
      start === null
        ? null
        : { timeline: start.timeline, lsn: lsnAdd(start.lsn, await openExtent(path, start, segmentSize)) },
  }
}

/** Bytes of the open segment that are there for sure; of a compressed one none are counted. */
async function openExtent(
  path: string,
  { timeline, lsn }: { readonly timeline: number; readonly lsn: Lsn },
  segmentSize: number,
): Promise<number> {
  const name = `${segmentFileName(timeline, lsn / BigInt(segmentSize), segmentSize)}.partial`
  const file = await open(join(path, name)).catch(() => null)
  if (file === null) return 0
  try {
    return partialExtent(await file.readFile(), lsn)
  } finally {
    await file.close()
  }
}
