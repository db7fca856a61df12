import type { ConnectOptions } from '../pg/index.js'
import type { ReceiverOptions } from '../receive/index.js'
import type { ReceiveSettings } from './receive-settings.js'
import { NEWEST_SERVER_MAJOR } from './version.js'

/** What both programs tell the receiver in the same way. */
export function receiverOptions(
  settings: ReceiveSettings,
  connection: ConnectOptions,
): Omit<ReceiverOptions, 'retry' | 'onEvent'> {
  return {
    connection,
    directory: settings.directory!,
    slotName: settings.slotName,
    synchronous: settings.synchronous,
    durable: settings.durable,
    statusIntervalMs: settings.statusIntervalMs,
    endLsn: settings.endLsn,
    compression: settings.compression,
    newestServerMajor: NEWEST_SERVER_MAJOR,
  }
}
