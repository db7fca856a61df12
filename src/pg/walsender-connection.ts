import type { CommandOptions } from './command-options.js'
import { Connection } from './connection.js'
import { UsageError } from './errors.js'
import {
  type CreatedSlot,
  type PhysicalSlot,
  parseIdentifySystem,
  parseReadReplicationSlot,
  parseTimelineHistory,
  readReplicationSlotCommand,
  type SystemIdentity,
  type TimelineHistory,
  timelineHistoryCommand,
} from './replication-commands.js'
import type { ReplicationType } from './replication-type.js'
import { singleRow } from './simple-query.js'
import type { CreateSlotOptions } from './slot-commands.js'
import { createSlot } from './slots.js'

/** A session in a walsender, as far as it takes commands. PostgreSQL chapter 54.4. */
export abstract class WalsenderConnection extends Connection {
  abstract readonly replicationType: ReplicationType

  /** IDENTIFY_SYSTEM. */
  async identifySystem(options?: CommandOptions): Promise<SystemIdentity> {
    return parseIdentifySystem(await this.command('IDENTIFY_SYSTEM', options))
  }

  /** SHOW: the value as text, with its unit. The only way to read settings on a physical connection. */
  async show(name: string, options?: CommandOptions): Promise<string> {
    if (!/^[A-Za-z_][A-Za-z0-9_.]*$/.test(name))
      throw new UsageError(`invalid setting name ${JSON.stringify(name)}`)
    return (
      singleRow(await this.command(`SHOW ${name}`, options), 1, `could not read setting "${name}"`)[0] ?? ''
    )
  }

  /**
   * READ_REPLICATION_SLOT (version 15 and later).
   *
   * @returns null when there is no such slot
   */
  async readReplicationSlot(name: string, options?: CommandOptions): Promise<PhysicalSlot | null> {
    return parseReadReplicationSlot(await this.command(readReplicationSlotCommand(name), options))
  }

  /** TIMELINE_HISTORY: the server's history file of a timeline above 1, byte for byte. */
  async timelineHistory(timeline: number, options?: CommandOptions): Promise<TimelineHistory> {
    return parseTimelineHistory(await this.command(timelineHistoryCommand(timeline), options))
  }

  /**
   * CREATE_REPLICATION_SLOT, by default of the connection's own type.
   *
   * @throws UsageError for options that do not go together, or that the server's version lacks
   * @throws ServerError when it refuses: the name is taken (42710), no slot is free (53400), ...
   */
  createReplicationSlot(name: string, options: CreateSlotOptions = {}): Promise<CreatedSlot> {
    return createSlot((sql, rest) => this.command(sql, rest), this, name, options)
  }
}
