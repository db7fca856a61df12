/**
 * Writes test/fuzz/seeds: the beginnings of WAL segments that real servers wrote, and what a real walsender says in a
 * session with commands and a stream.
 * Usage: node --import tsx scripts/capture-fuzz-seeds.ts
 */
import { once } from 'node:events'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import net from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { connect } from '../src/index.js'
import { PhysicalReplicationConnection } from '../src/pg/index.js'
import { readRecords } from '../src/records/index.js'
import { parseSegmentFileName, segmentStart } from '../src/wal/index.js'
import { PostgresServer } from './postgres-server.js'
import { prepareWorkload, runWorkload, workloadSettings } from './wal-workload.js'

const FOLDER = fileURLToPath(new URL('../test/fuzz/seeds/', import.meta.url))

/** What is kept of a segment, in bytes. */
const KEPT = 192 * 1024

for (const major of [11, 15, 18]) {
  await using server = await PostgresServer.launch({
    major,
    segmentSizeMb: 1,
    settings: workloadSettings(major),
  })
  await prepareWorkload(server)
  await runWorkload(server, 1, 1)
  const session = await recordSession(server)
  if (major === 18) await writeFile(join(FOLDER, 'session-18.gz'), gzipSync(session, { level: 9 }))
  const folder = join(server.dataDirectory, 'pg_wal')
  const names = (await readdir(folder)).filter((name) => /^[0-9A-F]{24}$/.test(name))
  let best = { name: '', kinds: 0, bytes: Buffer.alloc(0) }
  for (const name of names) {
    const bytes = (await readFile(join(folder, name))).subarray(0, KEPT)
    const kinds = kindsOfRecords(name, bytes)
    if (kinds > best.kinds) best = { name, kinds, bytes }
  }
  await writeFile(join(FOLDER, `wal-${major}-${best.name}.gz`), gzipSync(best.bytes, { level: 9 }))
}

function kindsOfRecords(name: string, bytes: Buffer): number {
  const segmentSize = 1024 * 1024
  const { segment, timeline } = parseSegmentFileName(name, segmentSize)!
  const pieces = [{ lsn: segmentStart(segment, segmentSize), bytes }]
  const kinds = new Set<string>()
  for (const record of readRecords(pieces, { segmentSize, timeline }))
    kinds.add(`${record.resourceManager} ${record.info}`)
  return kinds.size
}

/** All that the server sends, in order, from the answer to the start-up packet on. */
async function recordSession(server: PostgresServer): Promise<Buffer> {
  const said: Buffer[] = []
  const proxy = net.createServer((client) => {
    const upstream = net.connect(server.port, server.host)
    upstream.on('data', (chunk) => said.push(chunk))
    client.pipe(upstream).pipe(client)
    for (const socket of [client, upstream]) socket.on('error', () => {})
  })
  proxy.listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  const { port } = proxy.address() as net.AddressInfo
  const connection = await connect({
    dsn: `host=127.0.0.1 port=${port} user=${server.user} sslmode=disable`,
    connectionFactory: PhysicalReplicationConnection,
  })
  const { xlogPos } = await connection.identifySystem()
  await connection.createReplicationSlot('recorded')
  await connection.readReplicationSlot('recorded').catch(() => {})
  await connection.timelineHistory(9).catch(() => {})
  await connection.startReplication({ startLsn: xlogPos - (xlogPos % 8192n) - 65_536n })
  for (let left = 12; left > 0; left--) await connection.readReplicationMessage({ timeoutMs: 500 })
  await connection.stopReplication()
  await connection.dropReplicationSlot('recorded')
  await connection.close()
  proxy.close()
  return Buffer.concat(said)
}
