import type { PhysicalReplicationConnection } from '../pg/index.js'
import { readSystemIdentifier } from '../segments/index.js'
import { isValidSegmentSize, type Lsn } from '../wal/index.js'
import { commandFailed, ReceiveError } from './errors.js'

/** What has to be known of a server before its WAL may be taken. */
export interface ServerFacts {
  readonly systemId: string
  readonly timeline: number
  /** Flush position of the server. */
  readonly flushLsn: Lsn
  /** Bytes. */
  readonly segmentSize: number
  /** Mode of files made here: also readable for the group where the server's data directory is. */
  readonly fileMode: 0o600 | 0o640
}

/** Oldest server that speaks the protocol as used here: SHOW on a walsender. */
const OLDEST_SERVER_VERSION = 100000

/**
 * Asks the server who it is.
 *
 * The order of commands is pg_receivewal's. They come before any slot is made, because a
 * temporary slot is lost at the first error in its session.
 *
 * @param newestServerMajor servers above are warned about through `onWarning`
 * @throws ReceiveError in pg_receivewal's words
 */
export async function askServer(
  connection: PhysicalReplicationConnection,
  newestServerMajor: number,
  onWarning: (error: ReceiveError) => void,
  signal: AbortSignal,
): Promise<ServerFacts> {
  checkVersion(connection, newestServerMajor, onWarning)
  const ask = async <T>(command: string, run: () => Promise<T>): Promise<T> => {
    try {
      return await run()
    } catch (error) {
      throw commandFailed(command, error)
    }
  }
  let fileMode: 0o600 | 0o640 = 0o600
  if (connection.serverVersion >= 110000) {
    const mode = await ask('SHOW data_directory_mode', () =>
      connection.show('data_directory_mode', { signal }),
    )
    if ((Number.parseInt(mode, 8) & 0o050) === 0o050) fileMode = 0o640
  }
  const system = await ask('IDENTIFY_SYSTEM', () => connection.identifySystem({ signal }))
  const segmentSize = await ask('SHOW wal_segment_size', () => connection.segmentSize({ signal }))
  if (segmentSize === null || !isValidSegmentSize(segmentSize)) {
    throw new ReceiveError(
      `remote server reported invalid WAL segment size (${segmentSize ?? 'not understood'} bytes)`,
      {
        code: 'RECEIVE_SEGMENT_SIZE',
        hint: 'The WAL segment size must be a power of two between 1 MB and 1 GB.',
      },
    )
  }
  return {
    systemId: system.systemId,
    timeline: system.timeline,
    flushLsn: system.xlogPos,
    segmentSize,
    fileMode,
  }
}

function checkVersion(
  connection: PhysicalReplicationConnection,
  newestServerMajor: number,
  onWarning: (error: ReceiveError) => void,
): void {
  const { serverVersion } = connection
  const reported = connection.parameters.get('server_version') ?? String(serverVersion)
  if (serverVersion < OLDEST_SERVER_VERSION) {
    throw new ReceiveError(
      `incompatible server version ${reported}; client does not support streaming from server versions older than 10`,
      { code: 'RECEIVE_SERVER_VERSION' },
    )
  }
  if (Math.floor(serverVersion / 10000) > newestServerMajor) {
    onWarning(
      new ReceiveError(
        `server version ${reported} is newer than ${newestServerMajor}, the newest that was tested`,
        {
          code: 'RECEIVE_SERVER_NEWER',
          hint: 'streaming goes on; look for a newer release of this program',
        },
      ),
    )
  }
}

/**
 * Refuses to mix clusters: WAL of another one would take the names of ours, and both would be lost.
 *
 * The directory needs no notes of its own for this: each segment's first page names its cluster.
 *
 * @param expected system identifier seen earlier by this process, if any
 */
export async function checkIdentity(
  directory: string,
  facts: ServerFacts,
  expected: string | null,
): Promise<void> {
  if (expected !== null && expected !== facts.systemId) {
    throw new ReceiveError(
      `system identifier of the server changed from ${expected} to ${facts.systemId}: it is another cluster now`,
      {
        code: 'RECEIVE_OTHER_CLUSTER',
        hint: 'check where the connection leads; to archive the new cluster start with another directory',
        context: { expected, found: facts.systemId },
      },
    )
  }
  const stored = await readSystemIdentifier(directory)
  if (stored === null) return
  if (String(stored.systemIdentifier) !== facts.systemId) {
    throw new ReceiveError(
      `directory "${directory}" holds WAL of another cluster: system identifier ${stored.systemIdentifier} in "${stored.file}", but the server has ${facts.systemId}`,
      {
        code: 'RECEIVE_OTHER_CLUSTER',
        hint: 'use another directory for this cluster, or connect to the one whose WAL is there',
        context: { directory, file: stored.file },
      },
    )
  }
  if (stored.segmentSize !== facts.segmentSize) {
    throw new ReceiveError(
      `directory "${directory}" holds WAL in segments of ${stored.segmentSize} bytes ("${stored.file}"), but the server has segments of ${facts.segmentSize} bytes`,
      {
        code: 'RECEIVE_SEGMENT_SIZE',
        hint: 'the segment size was changed with pg_resetwal: go on in a new directory',
        context: { directory, file: stored.file },
      },
    )
  }
}
