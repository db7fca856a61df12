import { INVALID_LSN } from '../wal/index.js'
import type { CommandOptions } from './command-options.js'
import { ServerError, UsageError } from './errors.js'
import { quoteIdentifier } from './quote.js'
import type { CreatedSlot } from './replication-commands.js'
import { REPLICATION_LOGICAL, REPLICATION_PHYSICAL, type ReplicationType } from './replication-type.js'

/** PostgreSQL chapter 54.4, CREATE_REPLICATION_SLOT. */
export interface CreateSlotOptions extends CommandOptions {
  /** Default: the connection's own type. */
  readonly slotType?: ReplicationType
  /** Logical slots only, and there it must be given: `pgoutput`, `test_decoding`, `wal2json`, ... */
  readonly outputPlugin?: string
  /** Dropped at the end of the session, and on any error in it. */
  readonly temporary?: boolean
  /** Physical slots only: hold WAL back from now on, not only from the first use. */
  readonly reserveWal?: boolean
  /**
   * Logical slots only: what becomes of the snapshot that fits the slot's start. `export` (the server's
   * default) gives it a name that lives until the next command; `use` takes it for the open
   * transaction; `nothing` makes none.
   */
  readonly snapshot?: 'export' | 'use' | 'nothing'
  /** Logical slots only, server 15: prepared transactions are decoded at PREPARE TRANSACTION. */
  readonly twoPhase?: boolean
  /** Logical slots only, server 17: the slot is kept on standbys too, and goes on after a promotion. */
  readonly failover?: boolean
  /** A slot of that name is fine as it is. */
  readonly ifNotExists?: boolean
}

/**
 * The command that makes a slot. What the server's version does not know is refused by name here,
 * because the server would only speak of a syntax error.
 *
 * @param serverVersion as PQserverVersion has it
 * @throws UsageError for options that do not go together, or that the server lacks
 */
export function createSlotCommand(
  slotName: string,
  slotType: ReplicationType,
  options: CreateSlotOptions,
  serverVersion: number,
): string {
  const name = quoteIdentifier(slotName, 'replication slot name')
  const temporary = options.temporary ? ' TEMPORARY' : ''
  if (slotType === REPLICATION_PHYSICAL) {
    refuseLogicalOptions(options)
    return `CREATE_REPLICATION_SLOT ${name}${temporary} PHYSICAL${options.reserveWal ? ' RESERVE_WAL' : ''}`
  }
  if (slotType !== REPLICATION_LOGICAL) throw new UsageError(`unrecognized replication type: ${slotType}`)
  if (!options.outputPlugin)
    throw new UsageError('output plugin name is required to create logical replication slot')
  if (options.reserveWal)
    throw new UsageError('reserveWal is for physical replication slots: a logical one always reserves WAL')
  const plugin = quoteIdentifier(options.outputPlugin, 'output plugin name')
  const command = `CREATE_REPLICATION_SLOT ${name}${temporary} LOGICAL ${plugin}`
  if (!options.twoPhase && !options.failover) {
    return options.snapshot === undefined ? command : `${command} ${SNAPSHOT_WORDS[options.snapshot]}`
  }
  const list: string[] = []
  if (options.snapshot !== undefined) list.push(`SNAPSHOT '${options.snapshot}'`)
  if (options.twoPhase) list.push(sinceVersion(15, 'two-phase replication slots', serverVersion, 'TWO_PHASE'))
  if (options.failover) list.push(sinceVersion(17, 'failover replication slots', serverVersion, 'FAILOVER'))
  return `${command} (${list.join(', ')})`
}

const SNAPSHOT_WORDS = {
  export: 'EXPORT_SNAPSHOT',
  use: 'USE_SNAPSHOT',
  nothing: 'NOEXPORT_SNAPSHOT',
} as const

function refuseLogicalOptions(options: CreateSlotOptions): void {
  if (options.outputPlugin !== undefined)
    throw new UsageError('cannot specify output plugin name when creating physical replication slot')
  for (const name of ['snapshot', 'twoPhase', 'failover'] as const) {
    if (options[name]) throw new UsageError(`${name} is for logical replication slots`)
  }
}

/** @throws UsageError when the server is older than `major` */
function sinceVersion(major: number, what: string, serverVersion: number, word: string): string {
  if (serverVersion < major * 10000) {
    throw new UsageError(`${what} need PostgreSQL ${major} or later, the server is ${majorOf(serverVersion)}`)
  }
  return word
}

/**
 * @param wait let the server wait until the slot is free (server 11)
 * @throws UsageError when the server cannot wait
 */
export function dropSlotCommand(slotName: string, wait: boolean, serverVersion: number): string {
  const name = quoteIdentifier(slotName, 'replication slot name')
  return `DROP_REPLICATION_SLOT ${name}${wait ? ` ${sinceVersion(11, 'drops that wait', serverVersion, 'WAIT')}` : ''}`
}

function majorOf(serverVersion: number): string {
  return serverVersion >= 100000 ? String(Math.floor(serverVersion / 10000)) : 'older than 10'
}

/** What is told of a slot that was there already, for `ifNotExists`. */
export function existingSlot(slotName: string, outputPlugin: string | null): CreatedSlot {
  return { slotName, consistentPoint: INVALID_LSN, snapshotName: null, outputPlugin, created: false }
}

export function slotExists(error: unknown): boolean {
  return error instanceof ServerError && error.sqlState === '42710'
}

export function slotMissing(error: unknown): boolean {
  return error instanceof ServerError && error.sqlState === '42704'
}
