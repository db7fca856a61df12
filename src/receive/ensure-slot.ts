import type { PhysicalReplicationConnection } from '../pg/index.js'
import { commandFailed } from './errors.js'
import type { ReceiveEvent } from './events.js'

/**
 * Makes the slot, with WAL reserved from now on, when it is missing. What was skipped while it was
 * missing shows when the stream is asked for WAL that is gone.
 *
 * @throws ReceiveError when the server does not make it
 */
export async function ensureReplicationSlot(
  connection: PhysicalReplicationConnection,
  slotName: string,
  signal: AbortSignal,
  onEvent: (event: ReceiveEvent) => void,
): Promise<void> {
  try {
    const { created } = await connection.createReplicationSlot(slotName, {
      reserveWal: true,
      ifNotExists: true,
      signal,
    })
    if (created) onEvent({ kind: 'slot-created', slotName })
  } catch (error) {
    throw commandFailed(`CREATE_REPLICATION_SLOT "${slotName}" PHYSICAL RESERVE_WAL`, error)
  }
}
