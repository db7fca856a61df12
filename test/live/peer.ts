/** The pg_receivewal that walship is compared with: the one of Debian's postgresql-client-15. */
import { existsSync } from 'node:fs'
import { ReceiverProcess } from './receiver-process.js'

/** The peer refuses servers newer than itself, so parity is tested on a server of its own major. */
export const PEER_MAJOR = 15

const PEER = `/usr/lib/postgresql/${PEER_MAJOR}/bin/pg_receivewal`

export const peerIsInstalled = existsSync(PEER)
if (!peerIsInstalled) console.warn(`!! ${PEER} is not installed: NO PARITY TEST with pg_receivewal is run`)

export function startPeer(args: readonly string[]): ReceiverProcess {
  return new ReceiverProcess(PEER, args)
}
