/**
 * How fast a server recovers from the archive: the same WAL through `cp` from a directory, and through `walship fetch`
 * from a real S3 server on this machine, with and without fetching ahead; and, where it is installed, through
 * pgBackRest's asynchronous archive-get from a repository in a directory.
 * Usage: node --import tsx bench/replay.ts [--segments=100] [--runs=1] [--major=15]
 */
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { unprivilegedUser } from '../scripts/postgres-binaries.js'
import { giveTo } from '../scripts/postgres-copies.js'
import { PostgresServer } from '../scripts/postgres-server.js'
import { prepare } from '../scripts/prepare.mjs'
import { S3Server, s3Environment } from '../scripts/s3-server.js'
import { waitFor } from '../scripts/wait-for.js'
import { DEFAULT_STORE_COMPRESSION } from '../src/codec/index.js'
import { openStore, parseStoreOptions, WalArchive, WalArchiveError } from '../src/store/index.js'
import { isSegmentFileName } from '../src/wal/index.js'
import { PgBackRest } from './pgbackrest.js'
import { markdownTable, median, numberOption, print } from './report.js'

const WALSHIP = fileURLToPath(new URL('../bin/walship', import.meta.url))
const SEGMENT_SIZE = 16 * 1024 * 1024
const RECOVERY_TIMEOUT_MS = 600_000

const segments = numberOption('segments', 100)
const runCount = numberOption('runs', 1)
/** The newest that Debian's pgBackRest knows. */
const major = numberOption('major', 15)

await prepare()
const root = await mkdtemp(join(tmpdir(), 'walship-bench-replay-'))
await chmod(root, 0o755)
const base = join(root, 'base')
const plain = join(root, 'wal')
const data = join(root, 'data')
const peer = await PgBackRest.find(join(root, 'pgbackrest'), data)
await using store = await S3Server.start()
const url = `s3://${store.bucket}/replay`
try {
  const rowCount = await fill()
  const commands = new Map([
    ['cp', `cp "${plain}/%f" "%p"`],
    ['walship fetch', fetchCommand()],
    ['walship fetch --prefetch 0', fetchCommand('--prefetch', '0')],
  ])
  if (peer === null) print('pgBackRest is not installed: no comparison with it')
  else commands.set('pgBackRest archive-get, asynchronous', peer.restoreCommand)
  const times = new Map<string, number[]>([...commands.keys()].map((name) => [name, []]))
  for (let run = 0; run < runCount; run++) {
    for (const [name, command] of commands) times.get(name)!.push(await recover(command, rowCount))
  }
  const cpSeconds = median(times.get('cp')!)
  const rows = [...times].map(([name, all]) => {
    const wall = median(all)
    return [name, wall.toFixed(1), ((segments * 16) / wall).toFixed(0), (wall / cpSeconds).toFixed(2)]
  })
  print(markdownTable([`recovery of ${segments} segments with`, 'seconds', 'MB/s', 'of cp'], rows))
} finally {
  await rm(root, { recursive: true, force: true })
}

function fetchCommand(...options: string[]): string {
  const environment = Object.entries(s3Environment(store)).map(([name, value]) => `${name}=${value}`)
  const program = `env ${environment.join(' ')} "${process.execPath}" "${WALSHIP}" fetch`
  return `${program} --store ${url} --s3-endpoint ${store.endpoint} ${options.join(' ')} %f "%p"`
}

/** Makes the base, fills so many segments, and puts them into the directory and the archive; returns the rows written. */
async function fill(): Promise<string> {
  await using primary = await PostgresServer.launch({
    major,
    settings: { wal_keep_size: '16GB', max_wal_size: '16GB', checkpoint_timeout: '1h' },
  })
  await primary.query('CREATE TABLE filled (n int, text text)')
  await primary.stop()
  await primary.coldCopy(base)
  await primary.start()
  const client = await primary.connect()
  for (let written = 0; written < segments; ) {
    await client.query(
      `INSERT INTO filled SELECT i, md5(i::text) || md5((i + 1)::text) FROM generate_series(1, 50000) i`,
    )
    const { rows } = await client.query(
      `SELECT (pg_current_wal_lsn() - '0/0') / ${SEGMENT_SIZE} - 1 AS count`,
    )
    written = Number(rows[0].count)
  }
  const { rows } = await client.query('SELECT count(*) FROM filled')
  await client.query('SELECT pg_switch_wal()')
  await client.end()
  const systemIdentifier = await primary.value('SELECT system_identifier FROM pg_control_system()')
  await peer?.createStanza(primary)
  await primary.stop()

  Object.assign(process.env, s3Environment(store))
  const objects = await openStore(url, parseStoreOptions({ 's3-endpoint': store.endpoint }, {}))
  const identity = { systemIdentifier, segmentSize: SEGMENT_SIZE, layoutVersion: 1 } as const
  const archive = await WalArchive.open(objects, { compression: DEFAULT_STORE_COMPRESSION, identity })
  await mkdir(plain)
  for (const name of (await readdir(primary.walDirectory)).filter(isSegmentFileName).sort()) {
    await cp(join(primary.walDirectory, name), join(plain, name))
    try {
      await archive.putSegment(name, await readFile(join(plain, name)))
    } catch (error) {
      // Files that the server has made ready and not written to.
      if (!(error instanceof WalArchiveError) || error.code !== 'ARCHIVE_WRONG_CONTENT') throw error
      continue
    }
    await peer?.push(primary, join(primary.walDirectory, name))
  }
  await objects.close()
  await giveTo(unprivilegedUser(), dirname(plain))
  return String(rows[0].count)
}

/** Seconds from the start of a server on the base until it has replayed everything. */
async function recover(restoreCommand: string, rowCount: string): Promise<number> {
  await cp(base, data, { recursive: true })
  await chmod(data, 0o700)
  try {
    await using server = await PostgresServer.create({ dataDirectory: data, major })
    // Of the WAL that lies there already nothing is left to replay without the command.
    await server.configure({ max_wal_size: '16GB' })
    await server.recover({ restore_command: restoreCommand }, 'promotion')
    const begun = performance.now()
    await server.start()
    await waitFor(
      'the end of recovery',
      async () => (await server.value('SELECT pg_is_in_recovery()')) === 'false',
      RECOVERY_TIMEOUT_MS,
    )
    const wallSeconds = (performance.now() - begun) / 1000
    const found = await server.value('SELECT count(*) FROM filled')
    if (found !== rowCount) throw new Error(`recovered ${found} rows of ${rowCount}`)
    return wallSeconds
  } finally {
    await rm(data, { recursive: true, force: true })
  }
}
