/** An archive that is filled from a real server's pg_wal, without a receiver in between. */
import { spawnSync } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'
import { unprivilegedUser } from '../../scripts/postgres-binaries.js'
import { giveTo } from '../../scripts/postgres-copies.js'
import type { PostgresServer } from '../../scripts/postgres-server.js'
import { DEFAULT_STORE_COMPRESSION } from '../../src/codec/index.js'
import { openStore, WalArchive } from '../../src/store/index.js'
import { isSegmentFileName, type Lsn, parseLsn, segmentFileName } from '../../src/wal/index.js'
import { MAJOR, SEGMENT_SIZE } from '../live/test-server.js'

const WALSHIP = fileURLToPath(new URL('../../bin/walship', import.meta.url))

export class LiveArchive {
  /** The folder behind the store. */
  readonly folder: string
  readonly archive: WalArchive
  /** How far the tail of the open segment is in the archive, by timeline and segment. */
  readonly #tails = new Map<string, number>()

  private constructor(folder: string, archive: WalArchive) {
    this.folder = folder
    this.archive = archive
  }

  /** A new empty archive for a server's cluster, removed when the test is over. */
  static async for(server: PostgresServer): Promise<LiveArchive> {
    const archive = await LiveArchive.forServer(server)
    onTestFinished(() => archive.remove())
    return archive
  }

  /** The same for several tests: remove it after them. */
  static async forServer(server: PostgresServer): Promise<LiveArchive> {
    const folder = await mkdtemp(join(tmpdir(), 'walship-archive-'))
    await giveTo(unprivilegedUser(), folder)
    const systemIdentifier = await server.value('SELECT system_identifier FROM pg_control_system()')
    const store = await openStore(`file://${folder}`, {})
    const identity = { systemIdentifier, segmentSize: SEGMENT_SIZE, layoutVersion: 1 } as const
    // A new archive writes its identity: by its owner.
    const compression = DEFAULT_STORE_COMPRESSION
    const open = () => WalArchive.open(store, { compression, identity })
    return new LiveArchive(folder, await asServerUser(open))
  }

  async remove(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true })
  }

  get url(): string {
    return `file://${this.folder}`
  }

  /** restore_command, as docs/restore.md has it, with the program of this checkout. */
  command(...options: string[]): string {
    return [`"${process.execPath}" "${WALSHIP}" fetch`, '--store', this.url, ...options, '%f', '"%p"'].join(
      ' ',
    )
  }

  /** Archives all that a server has flushed: history files, finished segments, the open one's new bytes. */
  async ship(server: PostgresServer): Promise<Lsn> {
    // Not by an expression of functions: which of them are there differs from major to major.
    const end = parseLsn(await server.value('SELECT pg_current_wal_flush_lsn()'))
    const timeline = Number(await server.value('SELECT timeline_id FROM pg_control_checkpoint()'))
    await asServerUser(() => this.#shipFiles(server, timeline, end))
    return end
  }

  async #shipFiles(server: PostgresServer, timeline: number, end: Lsn): Promise<void> {
    const open = segmentFileName(timeline, end / BigInt(SEGMENT_SIZE), SEGMENT_SIZE)
    for (const name of (await readdir(server.walDirectory)).sort()) {
      const read = () => readFile(join(server.walDirectory, name))
      const history = /^([0-9A-F]{8})\.history$/.exec(name)?.[1]
      if (history !== undefined) await this.archive.putHistory(Number.parseInt(history, 16), await read())
      if (isSegmentFileName(name) && name < open) await this.archive.putSegment(name, await read())
      if (name === open) await this.#shipTail(timeline, end, await read())
    }
  }

  /** Where the file of a segment's object is. */
  async objectFile(name: string): Promise<string> {
    const folder = join(this.folder, 'wal', name.slice(0, 8))
    const found = (await readdir(folder)).find((each) => each.startsWith(name))
    if (found === undefined) throw new Error(`${name} is not in the archive`)
    return join(folder, found)
  }

  async #shipTail(timeline: number, end: Lsn, bytes: Buffer): Promise<void> {
    const segment = end / BigInt(SEGMENT_SIZE)
    const key = `${timeline}/${segment}`
    const from = this.#tails.get(key) ?? 0
    const to = Number(end % BigInt(SEGMENT_SIZE))
    if (to <= from) return
    await this.archive.putTailPart({ timeline, segment, from, to }, bytes.subarray(from, to))
    this.#tails.set(key, to)
  }
}

/**
 * Does something as the user that servers, and so their restore_command, run as: an object must never be there and
 * not be readable for him, not even for a moment.
 */
export async function asServerUser<T>(step: () => Promise<T>): Promise<T> {
  const user = unprivilegedUser()
  if (user === null) return step()
  process.seteuid!(user.uid)
  try {
    return await step()
  } finally {
    process.seteuid!(0)
  }
}

/** Whether the user that servers run as can run the program: it must be built, and within his reach. */
export const programCanRun = canRun()
if (!programCanRun) {
  console.warn(
    `!! ${WALSHIP} cannot be run by the server's user (npm run build?): NO TEST of recovery is run`,
  )
}

function canRun(): boolean {
  const user = unprivilegedUser()
  const options = user === null ? {} : { uid: user.uid, gid: user.gid }
  return spawnSync(process.execPath, [WALSHIP, '--version'], { cwd: '/', ...options }).status === 0
}

export { MAJOR, SEGMENT_SIZE }
