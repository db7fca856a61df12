/** Decoding by itself, without server and connection: the same payloads, in turns, in this process. */
import { PgoutputPlugin } from 'pg-logical-replication'
import { PgoutputDecoder } from '../src/index.js'
import { markdownTable, median } from './report.js'

const RUNS = 9

/** A table of how many payloads each of the two makes rows of in a second. */
export function decodingAlone(payloads: readonly Buffer[], mode: number): string {
  const ours: number[] = []
  const peers: number[] = []
  for (let run = 0; run < RUNS; run++) {
    ours.push(rate(payloads, decodeWithWalship))
    peers.push(rate(payloads, decodeWithPeer))
  }
  // The first ones warm up.
  const [our, peer] = [median(ours.slice(2)), median(peers.slice(2))]
  return markdownTable(
    [`decoding alone, ${mode} rows a transaction`, 'walship', 'pg-logical-replication', 'ratio'],
    [['thousand messages per second', our.toFixed(0), peer.toFixed(0), (our / peer).toFixed(2)]],
  )
}

function rate(payloads: readonly Buffer[], decode: (payloads: readonly Buffer[]) => number): number {
  const startedAt = performance.now()
  if (decode(payloads) === 0) throw new Error('nothing was decoded')
  return payloads.length / (performance.now() - startedAt)
}

/** As the peer does: integers as numbers, all else as text. */
function decodeWithWalship(payloads: readonly Buffer[]): number {
  const decoder = new PgoutputDecoder()
  let sum = 0
  for (const payload of payloads) {
    const message = decoder.decode(payload)
    if (message.kind !== 'insert') continue
    const row: Record<string, unknown> = message.new.toObject()
    row.id = Number(row.id)
    row.branch = Number(row.branch)
    sum += row.branch as number
  }
  return sum
}

function decodeWithPeer(payloads: readonly Buffer[]): number {
  const plugin = new PgoutputPlugin({ protoVersion: 1, publicationNames: ['everything'] })
  let sum = 0
  for (const payload of payloads) {
    const message = plugin.parse(payload)
    if (message.tag === 'insert') sum += message.new.branch
  }
  return sum
}
