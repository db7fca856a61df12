import { readFileSync } from 'node:fs'

/**
 * The PostgreSQL version the drop-in presents itself as. Barman and others compare its major
 * with the server's and refuse a client that is older, so it names the newest major supported.
 */
export const POSTGRES_VERSION = '18.4'

/** Newest server major that is known to work; a newer one is warned about. */
export const NEWEST_SERVER_MAJOR = Number.parseInt(POSTGRES_VERSION, 10)

/** Version of this package. */
export function walshipVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}

/** What `pg_receivewal --version` prints: always that name, whatever the program is called. */
export function dropInVersionLine(): string {
  return `pg_receivewal (PostgreSQL) ${POSTGRES_VERSION} (walship ${walshipVersion()})`
}
