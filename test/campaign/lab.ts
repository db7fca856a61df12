/** One receiver, one server, the recorder between them, and what is known of each byte: the ground of the live disasters. */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { installedPostgres } from '../../scripts/postgres-binaries.js'
import { PostgresServer } from '../../scripts/postgres-server.js'
import { waitFor } from '../../scripts/wait-for.js'
import { type Lsn, lsnMax, parseLsn, segmentFileName, segmentFloor } from '../../src/wal/index.js'
import { PEER_MAJOR } from '../live/peer.js'
import { ReceiverProcess, type ReceiverSurroundings } from '../live/receiver-process.js'
import { keepAllWal, SEGMENT_SIZE } from '../live/test-server.js'
import { pick, type Random } from '../support/random.js'
import { type ClaimedRange, type Lack, lackingBytes, readImage } from './held-wal.js'
import { WalLoad } from './wal-load.js'
import { WireRecorder } from './wire-recorder.js'

export { SEGMENT_SIZE }

export type Program = 'walship' | 'drop-in' | 'pg_receivewal'

/** Debian's. */
export const PEER = `/usr/lib/postgresql/${PEER_MAJOR}/bin/pg_receivewal`
const CATCH_UP_MS = 60_000

/** A server that is used by many runs, one after the other. */
export async function startServer(program: Program, standby = false): Promise<PostgresServer> {
  const binaries = program === 'pg_receivewal' ? installedPostgres(PEER_MAJOR)! : undefined
  const settings = {
    ...keepAllWal(binaries?.major ?? 18),
    // A receiver that was killed shall not keep its slot.
    wal_sender_timeout: '5s',
    autovacuum: false,
    max_wal_senders: 20,
    max_replication_slots: 20,
    ...(standby ? { wal_log_hints: true } : {}),
  }
  return PostgresServer.launch({ binaries, segmentSizeMb: SEGMENT_SIZE / 1024 / 1024, settings })
}

/** How the receiver of one run is set up. */
export interface Setup {
  readonly program: Program
  readonly compression: 'none' | 'gzip' | 'lz4'
  readonly synchronous: boolean
}

export function randomSetup(random: Random, program: Program): Setup {
  return {
    program,
    compression: pick(random, ['none', 'none', 'gzip', 'lz4'] as const),
    synchronous: random() < 0.5,
  }
}

export class Lab implements AsyncDisposable {
  server: PostgresServer
  readonly recorder: WireRecorder
  readonly directory: string
  readonly setup: Setup
  readonly random: Random
  /** Where the load goes, when the source is a standby. */
  writesTo: PostgresServer | null = null
  receiver: ReceiverProcess | null = null
  readonly problems: string[] = []
  /** Bytes that were acknowledged and are nowhere any more. */
  lostBytes = 0
  surroundings: ReceiverSurroundings = {}
  /** Another program than the one of the setup. */
  programPath: string | null = null
  /** More options for the receiver. */
  readonly more: string[] = []
  readonly #slot: string
  /** Feedback before this counts no more. */
  #countedFrom = 0
  readonly #excused = new Set<string>()
  /** Hashes of files under final names. */
  readonly #finals = new Map<string, string>()
  readonly #load: WalLoad

  static async open(server: PostgresServer, setup: Setup, random: Random): Promise<Lab> {
    const recorder = await WireRecorder.start(server.port)
    const slot = `campaign_${process.hrtime.bigint()}`
    // A slot begins at the last checkpoint; a standby makes none.
    if ((await server.value('SELECT pg_is_in_recovery()')) === 'false') await server.query('CHECKPOINT')
    await server.query('SELECT pg_create_physical_replication_slot($1, true)', [slot])
    return new Lab(server, setup, random, recorder, slot)
  }

  private constructor(
    server: PostgresServer,
    setup: Setup,
    random: Random,
    recorder: WireRecorder,
    slot: string,
  ) {
    this.server = server
    this.setup = setup
    this.random = random
    this.recorder = recorder
    this.#load = new WalLoad(() => this.writesTo ?? this.server, random)
    this.#slot = slot
    this.directory = mkdtempSync(join(tmpdir(), 'walship-campaign-'))
    process.once('exit', this.#removeAtExit)
  }

  get slot(): string {
    return this.#slot
  }

  startReceiver(): void {
    const { program, compression, synchronous } = this.setup
    const args = ['-D', this.directory, '-S', this.#slot, '-d', this.recorder.dsn, '-s', '1']
    if (compression !== 'none') args.push('-Z', compression)
    if (synchronous) args.push('--synchronous')
    args.push(...this.more)
    const { surroundings, programPath } = this
    this.receiver =
      programPath !== null
        ? new ReceiverProcess(programPath, args, surroundings)
        : program === 'walship'
          ? ReceiverProcess.walship(args, surroundings)
          : program === 'drop-in'
            ? ReceiverProcess.dropIn(args, surroundings)
            : new ReceiverProcess(PEER, args, surroundings)
  }

  /** What supervises a receiver starts it again when it has ended. */
  async ensureReceiver(): Promise<void> {
    if (this.receiver !== null && !this.receiver.hasEnded) return
    await this.receiver?.[Symbol.asyncDispose]()
    this.startReceiver()
  }

  async stopReceiver(signal: NodeJS.Signals = 'SIGINT'): Promise<number | NodeJS.Signals | null> {
    const { receiver } = this
    if (receiver === null) return null
    this.receiver = null
    receiver.signal('SIGCONT')
    const { status } = await receiver.stop(signal)
    await receiver[Symbol.asyncDispose]()
    return status
  }

  startLoad(): void {
    this.#load.start()
  }

  async stopLoad(): Promise<void> {
    await this.#load.stop()
  }

  /** Waits for so much more to come. A receiver that gives up meanwhile, as after a failed fsync, is started again. */
  async progress(byteCount: number): Promise<void> {
    const { recorder } = this
    const before = recorder.bytesSent
    await waitFor(
      'WAL to flow',
      async () => {
        await this.ensureReceiver()
        return recorder.bytesSent >= before + byteCount
      },
      CATCH_UP_MS,
    )
  }

  async pause(maxMs: number): Promise<void> {
    await sleep(this.random() * maxMs)
  }

  /** Everything acknowledged up to now must be held. */
  async checkAcknowledged(): Promise<void> {
    // The two do not stand still while they are looked at: first what was promised, then what is there.
    const claims = [...this.recorder.acknowledged]
    for (const [timeline, flush] of claims) await this.#check(timeline, flush)
    this.checkFinals()
  }

  async #check(timeline: number, to: Lsn): Promise<void> {
    const from = this.#startOf(timeline)
    if (from === null || to <= from) return
    for (let attempt = 1; ; attempt++) {
      const lacks = await this.#lacks(timeline, from, to)
      if (lacks.length === 0) return
      // A rename between the listing and the reading looks like a loss.
      if (attempt < 5 && this.receiver !== null) {
        await sleep(50)
        continue
      }
      for (const { text, byteCount } of lacks) {
        this.lostBytes += byteCount
        this.problems.push(text)
      }
      return
    }
  }

  async #lacks(timeline: number, from: Lsn, to: Lsn): Promise<Lack[]> {
    try {
      const image = readImage(this.directory)
      const lacks = await lackingBytes(image, { timeline, from, to }, SEGMENT_SIZE, nameOf, (tli, segment) =>
        this.sent(tli, segment),
      )
      return lacks.filter(({ segmentName }) => !this.#excused.has(segmentName))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      const text = `a file vanished while it was read: ${(error as Error).message}`
      return [{ segmentName: '', text, byteCount: 0 }]
    }
  }

  /** What a server has in its own file. */
  sent(timeline: number, segment: bigint, servers: readonly PostgresServer[] = [this.server]): Buffer {
    const name = nameOf(timeline, segment)
    for (const { walDirectory } of servers)
      for (const candidate of [name, `${name}.partial`]) {
        const path = join(walDirectory, candidate)
        if (existsSync(path)) return readFileSync(path)
      }
    throw new Error(`no server has ${name}`)
  }

  /** The ranges have to be held as one of the servers has them. @returns what is not there */
  async lacksOnEach(ranges: readonly ClaimedRange[], servers: readonly PostgresServer[]): Promise<string[]> {
    const image = readImage(this.directory)
    const texts: string[] = []
    for (const range of ranges) {
      const sent = (timeline: number, segment: bigint) => this.sent(timeline, segment, servers)
      for (const { text, byteCount } of await lackingBytes(image, range, SEGMENT_SIZE, nameOf, sent)) {
        texts.push(text)
        this.lostBytes += byteCount
      }
    }
    return texts
  }

  /** A file that once had its final name is never changed, and never gone. */
  checkFinals(): void {
    for (const name of readdirSync(this.directory)) {
      if (!/^[0-9A-F]{24}(\.gz|\.lz4)?$/.test(name) || this.#finals.has(name)) continue
      if (this.#excused.has(name.slice(0, 24))) continue
      this.#finals.set(name, hashOf(join(this.directory, name)))
    }
    for (const [name, hash] of this.#finals) {
      const path = join(this.directory, name)
      if (!existsSync(path)) this.problems.push(`${name} is gone`)
      else if (hashOf(path) !== hash) this.problems.push(`${name} has changed`)
    }
  }

  /** Where streaming began: the first position that was told, before or as anything had come. */
  get first(): Lsn | null {
    return this.#startOf(null)
  }

  /** On a later timeline its first segment is whole too. */
  #startOf(timeline: number | null): Lsn | null {
    const feedback = this.recorder.feedback.slice(this.#countedFrom)
    const first = feedback.find(
      (each) => each.flush > 0n && (timeline === null || each.timeline === timeline),
    )
    return first === undefined ? null : segmentFloor(first.flush, SEGMENT_SIZE)
  }

  /** What was held is gone by somebody's hand, and not asked for any more. */
  startOver(): void {
    this.#countedFrom = this.recorder.feedback.length
    this.recorder.acknowledged.clear()
    this.#finals.clear()
  }

  /** Somebody else has spoiled this segment. */
  excuse(segmentName: string): void {
    this.#excused.add(segmentName)
    for (const suffix of ['', '.gz', '.lz4']) this.#finals.delete(segmentName + suffix)
  }

  /** The disaster is over: everything comes, and is all right from the first byte to the last. */
  async expectWhole(): Promise<void> {
    await this.stopLoad()
    await this.ensureReceiver()
    const end = parseLsn(await this.server.value('SELECT pg_switch_wal()'))
    const timeline = await this.timeline()
    try {
      // The receiver's own last status may come when it is stopped; a segment's end makes it tell.
      await waitFor(
        'everything to be acknowledged',
        async () => {
          await this.ensureReceiver()
          return this.recorder.flushed(timeline) >= end
        },
        CATCH_UP_MS,
      )
    } catch (error) {
      this.problems.push(
        `${(error as Error).message}; the receiver says: ${this.receiver?.stderr.slice(-600)}`,
      )
    }
    await this.checkAcknowledged()
    await this.stopReceiver()
    await this.checkAcknowledged()
  }

  async timeline(): Promise<number> {
    return Number(await this.server.value('SELECT timeline_id FROM pg_control_checkpoint()'))
  }

  /** The campaign itself was interrupted. A small disk may still be mounted there. */
  readonly #removeAtExit = () => {
    spawnSync('umount', ['-l', this.directory], { stdio: 'ignore' })
    rmSync(this.directory, { recursive: true, force: true })
  }

  /** All that was acknowledged over the run, once. */
  get acknowledgedBytes(): number {
    const { feedback } = this.recorder
    const first = feedback.find(({ flush }) => flush > 0n)?.flush ?? (0n as Lsn)
    return Number(feedback.reduce((highest, { flush }) => lsnMax(highest, flush), first) - first)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stopLoad()
    await this.receiver?.[Symbol.asyncDispose]()
    await this.recorder[Symbol.asyncDispose]()
    await this.server
      .query('SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE active_pid IS NOT NULL')
      .catch(() => {})
    await waitFor('the slot to be dropped', () =>
      this.server.query('SELECT pg_drop_replication_slot($1)', [this.#slot]).then(
        () => true,
        () => false,
      ),
    ).catch(() => {})
    process.off('exit', this.#removeAtExit)
    rmSync(this.directory, { recursive: true, force: true })
  }
}

export function nameOf(timeline: number, segment: bigint): string {
  return segmentFileName(timeline, segment, SEGMENT_SIZE)
}

function hashOf(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex')
}
