/**
 * The `event` names of the log and what each tells. Programs may rely on them: a name is never
 * given another meaning, and docs/cli.md is made from this list.
 */
export const LOG_EVENTS = {
  streaming_started: 'streaming begins at `lsn` on `timeline`',
  segment_finished: '`segment` is complete under its final name; `lsn` is its end',
  timeline_switched: 'the server went on to `timeline`; the old one was received up to `lsn`',
  segment_left_partial: '`segment` was closed before it was full',
  segment_skipped: '`file` has a wrong size and was not counted when looking for the start',
  stopping: 'nothing more is taken from the stream; `cause` is `interrupt` or `endpos`',
  stopped: 'the stream has ended in an orderly way',
  warning: 'something is not as it should be, but stops nothing',
  server_notice: 'the server sent a notice',
  attempt_failed:
    'streaming or connecting failed: `code`, `hint`, `sqlState`, `retryable`, `context`, `cause`',
  retrying: 'the next attempt comes in `delayMs`; `attempt` counts from 1',
  exit: 'the program ends with status 0; `reason` is `aborted` or `endpos`',
  failed: 'the program gives up and ends with status 1; fields as in `attempt_failed`',
  interrupted_again: 'a second signal came, and the program ends at once with status 1',
} as const

export type LogEventName = keyof typeof LOG_EVENTS
