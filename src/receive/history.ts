import type { FileSystem } from '../base/index.js'
import type { CompressionSpec } from '../codec/index.js'
import type { PhysicalReplicationConnection } from '../pg/index.js'
import { historyFileExists, writeHistoryFile } from '../segments/index.js'
import { historyFileName } from '../wal/index.js'
import { asWalshipError, commandFailed, ReceiveError } from './errors.js'
import type { ReceiveEvent } from './events.js'

export interface KeepHistoryOptions {
  readonly directory: string
  readonly compression: CompressionSpec
  readonly fileMode: number
  readonly durable: boolean
  readonly files?: FileSystem
  readonly signal: AbortSignal
  onEvent(event: ReceiveEvent): void
}

/**
 * Sees to it that the history file of a timeline is in the directory before WAL of that
 * timeline is: without it a recovery cannot find the way there. Timeline 1 has none.
 *
 * A file that cannot be written is told and does not stop streaming: the WAL matters more, and
 * the next start tries again.
 *
 * @throws ReceiveError when the server cannot send it
 */
export async function keepHistory(
  connection: PhysicalReplicationConnection,
  timeline: number,
  options: KeepHistoryOptions,
): Promise<void> {
  if (timeline <= 1 || (await historyFileExists(options.directory, timeline))) return
  const history = await connection.timelineHistory(timeline, { signal: options.signal }).catch((error) => {
    throw commandFailed('TIMELINE_HISTORY', error)
  })
  if (history.fileName !== historyFileName(timeline)) {
    throw new ReceiveError(
      `server reported unexpected history file name for timeline ${timeline}: ${history.fileName}`,
      { code: 'RECEIVE_HISTORY_NAME', retryable: true },
    )
  }
  try {
    await writeHistoryFile({
      directory: options.directory,
      timeline,
      content: history.content,
      compression: options.compression,
      fileMode: options.fileMode,
      durable: options.durable,
      files: options.files,
    })
  } catch (error) {
    options.onEvent({ kind: 'error', error: asWalshipError(error) })
  }
}
