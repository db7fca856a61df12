import { type ConnectOptions, type CreatedSlot, PhysicalReplicationConnection } from '../pg/index.js'
import { commandFailed } from './errors.js'

/**
 * Creates a physical replication slot on a connection of its own.
 *
 * @param options.ifNotExists a slot of that name is success, of whatever kind
 * @param options.reserveWal hold WAL back at once and not from the first use on
 * @throws ConnectionFailedError, or ReceiveError in pg_receivewal's words
 */
export async function createSlot(
  connection: ConnectOptions,
  slotName: string,
  options: { ifNotExists?: boolean; reserveWal?: boolean } = {},
): Promise<CreatedSlot> {
  await using server = await PhysicalReplicationConnection.connect(connection)
  try {
    return await server.createReplicationSlot(slotName, options)
  } catch (error) {
    throw commandFailed(`CREATE_REPLICATION_SLOT "${slotName}" PHYSICAL`, error)
  }
}

/** Drops a replication slot on a connection of its own. */
export async function dropSlot(connection: ConnectOptions, slotName: string): Promise<void> {
  await using server = await PhysicalReplicationConnection.connect(connection)
  try {
    await server.dropReplicationSlot(slotName)
  } catch (error) {
    throw commandFailed(`DROP_REPLICATION_SLOT "${slotName}"`, error)
  }
}
