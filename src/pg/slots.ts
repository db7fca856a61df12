import type { RunCommand } from './cursor.js'
import { UsageError } from './errors.js'
import { quoteLiteral } from './quote.js'
import { type CreatedSlot, parseCreateReplicationSlot } from './replication-commands.js'
import { REPLICATION_LOGICAL, type ReplicationType } from './replication-type.js'
import {
  type CreateSlotOptions,
  createSlotCommand,
  dropSlotCommand,
  existingSlot,
  slotExists,
  slotMissing,
} from './slot-commands.js'

/** What making a slot needs to know of its connection. */
export interface SlotConnection {
  readonly serverVersion: number
  readonly replicationType: ReplicationType
}

/**
 * Makes a slot, or accepts the one that is there for `ifNotExists`. Where the connection takes SQL
 * the existing slot's plugin is compared: another one would send what the caller cannot read.
 *
 * @throws UsageError for options that do not go together; ServerError when the server refuses
 */
export async function createSlot(
  run: RunCommand,
  connection: SlotConnection,
  slotName: string,
  options: CreateSlotOptions,
): Promise<CreatedSlot> {
  const slotType = options.slotType ?? connection.replicationType
  const command = createSlotCommand(slotName, slotType, options, connection.serverVersion)
  const { signal } = options
  try {
    return parseCreateReplicationSlot(await run(command, { signal }))
  } catch (error) {
    if (!options.ifNotExists || !slotExists(error)) throw error
  }
  if (connection.replicationType !== REPLICATION_LOGICAL) return existingSlot(slotName, null)
  const name = quoteLiteral(slotName, 'replication slot name')
  const results = await run(
    `SELECT coalesce(plugin, '') FROM pg_catalog.pg_replication_slots WHERE slot_name = ${name}`,
    { signal },
  )
  const plugin = results.at(-1)?.rows[0]?.[0]?.toString('utf8') ?? ''
  const wanted = slotType === REPLICATION_LOGICAL ? options.outputPlugin! : ''
  if (plugin !== wanted) {
    const kind = (name: string) => (name === '' ? 'a physical slot' : `a slot of output plugin "${name}"`)
    throw new UsageError(`replication slot "${slotName}" is ${kind(plugin)}, not ${kind(wanted)}`, {
      code: 'PG_SLOT_MISMATCH',
      hint: 'use another name, or drop the slot if nobody needs it',
    })
  }
  return existingSlot(slotName, plugin || null)
}

export interface DropSlotOptions {
  readonly signal?: AbortSignal
  /** Let the server wait until nobody uses the slot (server 11). */
  readonly wait?: boolean
  /** A slot that is not there is fine. */
  readonly ifExists?: boolean
}

/** @throws ServerError when the slot is in use (55006) or missing (42704) */
export async function dropSlot(
  run: RunCommand,
  connection: SlotConnection,
  slotName: string,
  options: DropSlotOptions,
): Promise<void> {
  try {
    await run(dropSlotCommand(slotName, options.wait ?? false, connection.serverVersion), options)
  } catch (error) {
    if (!options.ifExists || !slotMissing(error)) throw error
  }
}
