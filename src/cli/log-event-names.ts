/**
 * The `event` names of the log and what each tells. Programs may rely on them: a name is never
 * given another meaning, and docs/cli.md is made from this list.
 */
export const LOG_EVENTS = {
  streaming_started:
    'streaming begins at `lsn` on `timeline`; `origin` is what said so: `directory`, `archive`, `slot`, `server` or `next-timeline`',
  segment_finished: '`segment` is complete under its final name; `lsn` is its end',
  timeline_switched: 'the server went on to `timeline`; the old one was received up to `lsn`',
  branch_left:
    'a failover has lost what was written on `timeline` behind `switchLsn`; it is kept here up to `lsn`, and `nextTimeline` is followed',
  segment_left_partial: '`segment` was closed before it was full',
  segment_skipped: '`file` has a wrong size and was not counted when looking for the start',
  stopping: 'nothing more is taken from the stream; `cause` is `interrupt` or `endpos`',
  stopped: 'the stream has ended in an orderly way',
  slot_created: 'the slot was missing and has been made',
  standing_by:
    'another process does this work and this one waits to take over; `waitsFor` is `slot` or `directory`. Once, however long it lasts',
  paused: 'too little free space (`freeBytes`): nothing is read until there is more',
  resumed: 'there is room again, and reading goes on',
  segment_archived: 'the archive has `segment`; `lsn` is its end, `outcome` is `stored` or `already-there`',
  index_skipped: 'no index of the segment `name` was stored; nothing depends on it (level debug)',
  history_archived: 'the archive has the history `file`',
  partial_archived: 'the last segment of a timeline that was left is archived as `file`, up to `lsn`',
  tail_archived: 'the archive has the open segment up to `lsn` (level debug)',
  tail_merged: 'small parts of the open segment became one (level debug)',
  store_failing: 'uploads began to fail; they are tried again for ever. Once per outage',
  store_recovered: 'uploads work again, after so many `failures` and `durationMs`',
  segment_conflict: 'the archive holds other bytes under the name of `file`, which is left alone',
  segment_failing: '`file` cannot be archived although the store works',
  segment_not_wal: '`file` does not begin as WAL does; with `--verify=warn` it is archived with a mark',
  segment_removed: 'the local `segment` was removed by --keep-local; it is archived (level debug)',
  coverage_gap: 'WAL between `from` and `lsn` is neither in the directory nor in the archive',
  history_missing: 'the history file of `timeline` is neither in the directory nor in the archive',
  gap_recorded: 'a gap was accepted with --allow-gap and recorded in the archive',
  wal_suspect:
    'WAL that came is damaged at `lsn`, in `segment`: `problem`, `text`. Not written; it is fetched again',
  wal_healed: 'what was suspect came again and was good: it was damaged on the way',
  wal_damaged:
    'the server itself holds damaged WAL at `lsn`, in `segments`; with `--verify=warn` it is kept as it is',
  http_listening: 'metrics, health and the page of status are at `url`',
  http_failed: 'they cannot be had, or an answer failed; receiving goes on and the address is tried again',
  slot_status: '`walStatus` of `slot` has changed: `reserved`, `extended`, `unreserved` or `lost`',
  slot_unknown: 'the slot cannot be looked at over an ordinary connection; receiving goes on',
  heartbeat_failing: 'the URL of --heartbeat-url cannot be called. Once per outage',
  warning: 'something is not as it should be, but stops nothing',
  server_notice: 'the server sent a notice',
  attempt_failed:
    'streaming or connecting failed: `code`, `hint`, `sqlState`, `retryable`, `context`, `cause`',
  retrying: 'the next attempt comes in `delayMs`; `attempt` counts from 1',
  exit: 'the program ends with status 0; `reason` is `aborted` or `endpos`',
  failed: 'the program gives up and ends with status 1; fields as in `attempt_failed`',
  cluster_failed:
    'one of several clusters is given up, and tried anew in `delayMs`; the others go on. Fields as in `attempt_failed`',
  cluster_ended: 'one of several clusters has ended in an orderly way; `reason` is `aborted` or `endpos`',
  interrupted_again: 'a second signal came, and the program ends at once with status 1',
} as const

export type LogEventName = keyof typeof LOG_EVENTS
