import type { PhysicalReplicationConnection } from '../pg/index.js'
import { ReceiveError } from './errors.js'
import type { ReceiveEvent } from './events.js'
import { SpaceGuard } from './space-guard.js'

export interface SpaceLimits {
  /** Stop taking WAL while the directory's file system has fewer free bytes. */
  readonly floorBytes: number
  /** A pause longer than this ends the connection, so that the server is not held up. Milliseconds. */
  readonly maxPauseMs: number
}

const LOOK_INTERVAL_MS = 1000

/**
 * Pauses a stream while there is too little room. Feedback goes on, so the server keeps the line; but a
 * client that does not read for long can block its checkpointer, so after a bounded time the line is
 * given up and the WAL left to the slot.
 *
 * @returns call `close` when the stream is over
 */
export function watchSpace(
  connection: PhysicalReplicationConnection,
  directory: string,
  limits: SpaceLimits,
  onEvent: (event: ReceiveEvent) => void,
): { close(): void } {
  const guard = new SpaceGuard({
    directory,
    floorBytes: limits.floorBytes,
    resumeBytes: limits.floorBytes + limits.floorBytes / 4,
    intervalMs: LOOK_INTERVAL_MS,
  })
  let giveUp: NodeJS.Timeout | null = null
  const stopWaiting = () => {
    if (giveUp !== null) clearTimeout(giveUp)
    giveUp = null
  }
  guard.watch(
    (freeBytes) => {
      onEvent({ kind: 'paused', freeBytes })
      connection.pauseReading()
      giveUp = setTimeout(() => {
        connection.abandonStream(
          new ReceiveError(`only ${freeBytes} bytes are free in "${directory}"`, {
            code: 'RECEIVE_NO_SPACE',
            retryable: true,
            hint: 'make room: streaming goes on by itself; meanwhile the slot keeps the WAL on the server',
          }),
        )
      }, limits.maxPauseMs)
    },
    (freeBytes) => {
      stopWaiting()
      onEvent({ kind: 'resumed', freeBytes })
      connection.resumeReading()
    },
  )
  return {
    close: () => {
      stopWaiting()
      guard.close()
    },
  }
}
