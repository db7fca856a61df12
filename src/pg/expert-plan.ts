import { INVALID_LSN } from '../wal/index.js'
import type { CommandOptions } from './command-options.js'
import { type StreamOptions, type StreamPlan, senderTimeoutMs, statusIntervalMs } from './open-stream.js'
import { REPLICATION_PHYSICAL, type ReplicationType } from './replication-type.js'
import { textDecoding } from './text-decoding.js'

export interface StartExpertOptions extends StreamOptions {
  /** What the command starts, so that the stream's rules fit. Default: the connection's own type. */
  readonly slotType?: ReplicationType
  /** `payload` is text; a text names its encoding, `true` is UTF-8. */
  readonly decode?: boolean | string
}

/** The plan for a command that the caller wrote: where it starts is seen from the first message. */
export async function expertPlan(
  connection: {
    readonly replicationType: ReplicationType
    show(name: string, options?: CommandOptions): Promise<string>
  },
  command: string,
  options: StartExpertOptions,
): Promise<StreamPlan> {
  const { decode = false, signal } = options
  const intervalMs = statusIntervalMs(options.statusInterval, 1)
  return {
    kind: (options.slotType ?? connection.replicationType) === REPLICATION_PHYSICAL ? 'physical' : 'logical',
    command,
    startLsn: INVALID_LSN,
    statusIntervalMs: intervalMs,
    senderTimeoutMs: await senderTimeoutMs(connection, signal),
    text: { decode: decode !== false, toText: textDecoding(typeof decode === 'string' ? decode : 'UTF8') },
  }
}
