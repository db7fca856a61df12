/**
 * When a stream has to say something, as a pure function: clocks and sockets stay outside,
 * so each rule is tested with plain numbers.
 *
 * All times are milliseconds of one monotonic clock.
 */
export interface StreamClock {
  /** Send a status this often; 0 = never on our own account. */
  readonly statusIntervalMs: number
  /** The server's wal_sender_timeout; 0 = off or not known. */
  readonly senderTimeoutMs: number
  /** After this much silence ask the server for a sign of life, and wait as long again; 0 = never. */
  readonly pingTimeoutMs: number
  readonly lastSentAt: number
  readonly lastReceivedAt: number
  /** When we last asked for a sign of life that has not come, or null. */
  readonly pingedAt: number | null
  /** When an answer that was put off is due, or null. */
  readonly replyDueAt: number | null
  /** The answer to a question of the server is being prepared, which may take long. */
  readonly answering: boolean
  /** Nothing is being read, so silence says nothing about the server. */
  readonly paused: boolean
}

export interface StreamVerdict {
  readonly action: 'none' | 'status' | 'ping' | 'dead'
  /** When to look again, in milliseconds from now. */
  readonly lookAgainMs: number
}

/**
 * What is due now.
 *
 * A paused stream, and one whose answer takes its time, sends even where the interval is off or long:
 * the server cuts a client that is silent for wal_sender_timeout, and its own pings lie unread behind the data.
 */
export function evaluateStream(clock: StreamClock, now: number): StreamVerdict {
  const due: number[] = []
  let statusDue = Number.POSITIVE_INFINITY
  if (clock.statusIntervalMs > 0) statusDue = clock.lastSentAt + clock.statusIntervalMs
  if ((clock.paused || clock.answering) && clock.senderTimeoutMs > 0) {
    statusDue = Math.min(statusDue, clock.lastSentAt + clock.senderTimeoutMs / 3)
  }
  if (clock.replyDueAt !== null) statusDue = Math.min(statusDue, clock.replyDueAt)

  if (clock.pingTimeoutMs > 0 && !clock.paused) {
    if (clock.pingedAt !== null) {
      const deadAt = clock.pingedAt + clock.pingTimeoutMs
      if (now >= deadAt) return { action: 'dead', lookAgainMs: 0 }
      due.push(deadAt)
    } else {
      const pingAt = clock.lastReceivedAt + clock.pingTimeoutMs
      if (now >= pingAt) return { action: 'ping', lookAgainMs: clock.pingTimeoutMs }
      due.push(pingAt)
    }
  }
  if (now >= statusDue) return { action: 'status', lookAgainMs: 0 }
  due.push(statusDue)
  return { action: 'none', lookAgainMs: Math.max(1, Math.min(1000, ...due.map((at) => at - now))) }
}
