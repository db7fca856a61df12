import type { Lsn } from '../wal/index.js'
import { type MonitorOptions, type QueryConnection, SERVER_POSITION } from './query-connection.js'
import { lsnOf, type TextRow } from './row-values.js'

export interface ServerStatus {
  /** `18.4`, with what a packager has added. */
  readonly version: string
  readonly role: 'primary' | 'standby'
  /** How far it is: written, or on a standby received or replayed. Null on a standby that has nothing yet. */
  readonly position: Lsn | null
}

/**
 * What kind of server this is and where it stands.
 *
 * @throws what the connection's `query` throws
 */
export async function monitorServer(
  connection: QueryConnection,
  options?: MonitorOptions,
): Promise<ServerStatus> {
  const { rows } = await connection.query<TextRow<'version' | 'recovering' | 'position'>>(
    `SELECT pg_catalog.current_setting('server_version') AS version,
  pg_catalog.pg_is_in_recovery()::text AS recovering, (${SERVER_POSITION})::text AS position`,
    options,
  )
  const [row] = rows
  return {
    version: row!.version!,
    role: row!.recovering === 'true' ? 'standby' : 'primary',
    position: lsnOf(row!.position),
  }
}
