/** The two programs that every bench compares, run in turns on the same server and the same disk. */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { ensurePostgres, installedPostgres, type PostgresBinaries } from '../scripts/postgres-binaries.js'
import { textOption } from './report.js'

/** pg_receivewal refuses servers newer than itself, so the peer's major decides the server's. */
export const PEER_MAJOR = 15

export interface ReceiverProgram {
  readonly name: string
  readonly path: string
}

export const OURS: ReceiverProgram = {
  name: 'walship',
  // --program=PATH measures another build, for example the last release.
  path: textOption('program', fileURLToPath(new URL('../bin/pg_receivewal', import.meta.url))),
}

export const PEER: ReceiverProgram = {
  name: `pg_receivewal ${PEER_MAJOR}`,
  // --peer=PATH compares two builds of ours.
  path: textOption('peer', `/usr/lib/postgresql/${PEER_MAJOR}/bin/pg_receivewal`),
}

/** Ours and the peer's; fails when one of them is not there. */
export function bothReceivers(): [ReceiverProgram, ReceiverProgram] {
  for (const { name, path } of [OURS, PEER]) {
    if (!existsSync(path))
      throw new Error(`${name} is not there: ${path} (npm run build; Debian's postgresql-15)`)
  }
  return [OURS, PEER]
}

/** The distribution's server when it is installed, as the peer is, else the npm one of the same major. */
export async function peerServer(): Promise<PostgresBinaries> {
  return installedPostgres(PEER_MAJOR) ?? (await ensurePostgres(PEER_MAJOR))
}
