import type { ArchiveFacts, StatusSnapshot } from './snapshot.js'
import { DISASTERS, POSITION_NAMES } from './snapshot.js'

export interface Sample {
  readonly labels?: Readonly<Record<string, string>>
  /** Null: not known, and then the sample is left out. */
  readonly value: number | null
}

/** One metric, and how it follows from the snapshot. Names and units by Prometheus' conventions. */
export interface MetricDeclaration {
  readonly name: string
  readonly type: 'gauge' | 'counter'
  readonly help: string
  /** Said once for the process, and without a label `cluster`. */
  readonly ofProcess?: boolean
  samples(snapshot: StatusSnapshot): readonly Sample[]
}

const gauge = (
  name: string,
  help: string,
  value: (snapshot: StatusSnapshot) => number | null | undefined,
): MetricDeclaration => ({
  name,
  type: 'gauge',
  help,
  samples: (snapshot) => [{ value: value(snapshot) ?? null }],
})

const counter = (
  name: string,
  help: string,
  value: (snapshot: StatusSnapshot) => number | null | undefined,
): MetricDeclaration => ({ ...gauge(name, help, value), type: 'counter' })

const ofProcess = (metric: MetricDeclaration): MetricDeclaration => ({ ...metric, ofProcess: true })

const WAL_STATUSES = ['reserved', 'extended', 'unreserved', 'lost'] as const

/** Every metric there is. docs/operations.md is made from this table. */
export const METRICS: readonly MetricDeclaration[] = [
  {
    name: 'walship_build_info',
    type: 'gauge',
    help: 'Version of walship, as a label; always 1.',
    ofProcess: true,
    samples: ({ process }) => (process === null ? [] : [{ labels: { version: process.version }, value: 1 }]),
  },
  gauge('walship_streaming', '1 while WAL is being received, else 0.', ({ stream }) =>
    Number(stream.state === 'streaming'),
  ),
  gauge('walship_standby', '1 while another receiver is at work and this one waits to take over.', (s) =>
    Number(s.stream.state === 'standby'),
  ),
  gauge('walship_paused', '1 while nothing is received because the directory has too little room.', (s) =>
    Number(s.stream.state === 'paused'),
  ),
  gauge(
    'walship_failed',
    '1 while one of several clusters is given up, on what only a person can mend; it is tried anew after a while.',
    ({ stream }) => Number(stream.state === 'failed'),
  ),
  gauge(
    'walship_ready',
    '1 while streaming and within the thresholds, or standing by, as /readyz says.',
    ({ verdict }) => Number(verdict.ready),
  ),
  gauge('walship_timeline', 'Timeline that is received.', ({ stream }) => stream.timeline),
  gauge(
    'walship_server_lsn_bytes',
    'The furthest end of WAL the server was heard to have, as a number.',
    ({ stream }) => lsnNumber(stream.serverLsn),
  ),
  gauge(
    'walship_server_seen_timestamp_seconds',
    'When the server was last seen on a living connection, in Unix time.',
    ({ stream }) => unixTime(stream.serverSeenAt),
  ),
  {
    name: 'walship_position_lsn_bytes',
    type: 'gauge',
    help: 'How far a step is, as a number: received, written, flushed, verified, archived, reported.',
    samples: ({ positions }) =>
      POSITION_NAMES.map((position) => ({
        labels: { position },
        value: lsnNumber(positions[position].lsn),
      })),
  },
  {
    name: 'walship_lag_bytes',
    type: 'gauge',
    help: 'How far a step is behind the server.',
    samples: ({ positions }) =>
      POSITION_NAMES.map((position) => ({ labels: { position }, value: positions[position].lagBytes })),
  },
  {
    name: 'walship_lag_seconds',
    type: 'gauge',
    help: 'For how long the server has had the first byte that a step lacks; 0 when it lacks none.',
    samples: ({ positions }) =>
      POSITION_NAMES.map((position) => ({ labels: { position }, value: positions[position].lagSeconds })),
  },
  {
    name: 'walship_possible_loss_bytes',
    type: 'gauge',
    help: 'WAL that would be lost now with the server, with the directory, or with both.',
    samples: ({ loss }) => DISASTERS.map((lost) => ({ labels: { lost }, value: loss[lost].bytes })),
  },
  {
    name: 'walship_possible_loss_seconds',
    type: 'gauge',
    help: 'Age of the oldest WAL that would be lost now with the server, with the directory, or with both.',
    samples: ({ loss }) => DISASTERS.map((lost) => ({ labels: { lost }, value: loss[lost].seconds })),
  },
  gauge(
    'walship_archive_failing',
    '1 while uploads fail; absent without a store.',
    ({ archive }) => archive && Number(archive.state === 'failing' || isRefused(archive)),
  ),
  gauge(
    'walship_archive_pending_segments',
    'Finished segments that the archive is not known to hold.',
    ({ archive }) => archive?.pendingSegments,
  ),
  gauge(
    'walship_archive_pending_bytes',
    'The same in bytes, before compression.',
    ({ archive }) => archive?.pendingBytes,
  ),
  gauge(
    'walship_archive_oldest_pending_age_seconds',
    'Since when the oldest of them is finished; 0 when there is none.',
    ({ archive }) => archive && (archive.pendingSegments === 0 ? 0 : archive.oldestPendingSeconds),
  ),
  gauge(
    'walship_archive_stuck_files',
    'Files that are in conflict with the archive, or cannot be read.',
    ({ archive }) => archive?.stuckFiles,
  ),
  gauge(
    'walship_archive_last_success_timestamp_seconds',
    'When the archive last took something, in Unix time.',
    ({ archive }) => archive && unixTime(archive.lastSuccessAt),
  ),
  gauge('walship_archive_gaps', 'Holes in the archive that nobody has accepted.', ({ coverage }) =>
    coverage === null ? null : coverage.gaps.filter(({ recorded }) => !recorded).length,
  ),
  gauge('walship_archive_recorded_gaps', 'Holes in the archive that were accepted.', ({ coverage }) =>
    coverage === null ? null : coverage.gaps.filter(({ recorded }) => recorded).length,
  ),
  gauge(
    'walship_archive_window_bytes',
    'Length of the unbroken stretch of WAL that ends at the end of the archive.',
    ({ coverage }) => (coverage === null ? null : (coverage.window?.bytes ?? 0)),
  ),
  gauge(
    'walship_archive_window_first_commit_timestamp_seconds',
    'Time of the earliest commit in that stretch, in Unix time; absent while it is not known.',
    ({ coverage }) => unixTime(coverage?.window?.firstCommitAt ?? null),
  ),
  gauge(
    'walship_archive_window_last_commit_timestamp_seconds',
    'Time of the latest commit in its finished segments, in Unix time; absent while it is not known.',
    ({ coverage }) => unixTime(coverage?.window?.lastCommitAt ?? null),
  ),
  {
    name: 'walship_slot_wal_status',
    type: 'gauge',
    help: '1 for the state the slot is in: reserved, extended, unreserved, lost.',
    samples: ({ slot }) =>
      slot.walStatus === null
        ? []
        : WAL_STATUSES.map((status) => ({ labels: { status }, value: Number(status === slot.walStatus) })),
  },
  gauge(
    'walship_slot_safe_wal_bytes',
    'WAL that can be written before the slot may be lost; absent without a limit.',
    ({ slot }) => slot.safeWalBytes,
  ),
  gauge(
    'walship_slot_retained_wal_bytes',
    'WAL that the server keeps for the slot.',
    ({ slot }) => slot.retainedBytes,
  ),
  gauge('walship_slot_active', '1 while somebody streams from the slot.', ({ slot }) =>
    slot.active === null ? null : Number(slot.active),
  ),
  gauge(
    'walship_slot_checked_timestamp_seconds',
    'When the slot was last looked at, in Unix time.',
    ({ slot }) => unixTime(slot.checkedAt),
  ),
  gauge(
    'walship_directory_free_bytes',
    'Free space of the directory.',
    ({ directory }) => directory.freeBytes,
  ),
  gauge(
    'walship_directory_size_bytes',
    'Size of the file system of the directory.',
    (s) => s.directory.totalBytes,
  ),
  gauge(
    'walship_directory_min_free_bytes',
    'Receiving stops while less is free; 0: never.',
    ({ directory }) => directory.minFreeBytes,
  ),
  gauge(
    'walship_directory_wal_files',
    'Files of WAL in the directory.',
    ({ directory }) => directory.walFiles,
  ),
  gauge('walship_directory_wal_bytes', 'Space that they take.', ({ directory }) => directory.walBytes),
  counter('walship_connects_total', 'Connections that began to stream.', (s) => s.counters.connects),
  counter(
    'walship_stream_failures_total',
    'Attempts to connect or stream that failed.',
    ({ counters }) => counters.streamFailures,
  ),
  counter(
    'walship_breakdowns_total',
    'How often a cluster was given up, to be tried anew.',
    ({ counters }) => counters.breakdowns,
  ),
  counter(
    'walship_timeline_switches_total',
    'Timelines that were left for the next one.',
    ({ counters }) => counters.timelineSwitches,
  ),
  counter('walship_received_bytes_total', 'WAL received.', ({ counters }) => counters.receivedBytes),
  counter(
    'walship_segments_finished_total',
    'Segments that were completed in the directory.',
    ({ counters }) => counters.segmentsFinished,
  ),
  counter(
    'walship_damaged_wal_total',
    'Places in the WAL that were found damaged at the server itself.',
    ({ counters }) => counters.damagedPlaces,
  ),
  counter(
    'walship_segments_archived_total',
    'Segments that the archive was seen to hold.',
    ({ counters }) => counters.segmentsArchived,
  ),
  counter(
    'walship_upload_failures_total',
    'Requests to the store that failed.',
    ({ counters, archive }) => archive && counters.uploadFailures,
  ),
  ofProcess(
    gauge(
      'process_start_time_seconds',
      'When the process began, in Unix time.',
      ({ process }) => process && unixTime(process.startedAt),
    ),
  ),
  ofProcess(
    gauge('process_resident_memory_bytes', 'Memory of the process.', ({ process }) => process?.residentBytes),
  ),
  ofProcess(
    counter('process_cpu_seconds_total', 'CPU time of the process.', ({ process }) => process?.cpuSeconds),
  ),
]

function unixTime(iso: string | null): number | null {
  return iso === null ? null : Date.parse(iso) / 1000
}

/** A double holds positions exactly up to 8 PB; beyond that only differences suffer, by some bytes. */
function lsnNumber(lsn: string | null): number | null {
  if (lsn === null) return null
  const [high, low] = lsn.split('/')
  return Number.parseInt(high!, 16) * 2 ** 32 + Number.parseInt(low!, 16)
}

/** Not opened yet, and not for want of a server to ask first. */
function isRefused({ state, lastError }: ArchiveFacts): boolean {
  return state === 'opening' && lastError !== null
}
