import type { Lsn } from '../wal/index.js'

/** What is needed of a message of a logical stream: a ReplicationMessage has it. */
export interface PgoutputPayload {
  /** The bytes as they came; text is refused, since pgoutput is not text. */
  readonly payload: Buffer | string
  readonly dataStart: Lsn
}

/**
 * Where payloads come from: a logical connection or cursor after its `startReplication`, or any
 * other async sequence. With `tryReadMessage`, which never waits, those that are already
 * there are taken without a turn of the event loop for each.
 */
export interface PgoutputSource extends AsyncIterable<PgoutputPayload> {
  tryReadMessage?(): PgoutputPayload | null
}

/**
 * Payloads in groups: one that had to be waited for, then all that came with it. So a consumer
 * may take a group in one go, and yet everything that waits for the event loop (statuses, the
 * socket) gets its turn, because what is there at once is bounded by the connection's high-water mark.
 */
export async function* payloadGroups(source: PgoutputSource): AsyncGenerator<Iterable<PgoutputPayload>> {
  for await (const first of source) yield group(first, source)
}

function* group(first: PgoutputPayload, source: PgoutputSource): Generator<PgoutputPayload, void> {
  yield first
  for (;;) {
    const next = source.tryReadMessage?.() ?? null
    if (next === null) return
    yield next
  }
}

/** @throws TypeError for a payload that was made text */
export function bytesOf({ payload }: PgoutputPayload): Buffer {
  if (typeof payload === 'string')
    throw new TypeError('pgoutput is not text: start replication without "decode"')
  return payload
}
