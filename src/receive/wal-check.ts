import { open, readFile } from 'node:fs/promises'
import { pageMagicOfMajor, type WalProblem, WalVerifier } from '../records/index.js'
import {
  type Ancestor,
  formatLsn,
  historyFileName,
  type Lsn,
  lsnMax,
  parseTimelineHistory,
  segmentFileName,
  segmentFloor,
  segmentNumber,
} from '../wal/index.js'
import { ReceiveError } from './errors.js'
import type { ReceiveEvent } from './events.js'
import type { ServerFacts } from './server-facts.js'
import type { StartPoint } from './stream-position.js'

/** What is done about WAL that the server itself holds damaged: go on and raise the alarm, or acknowledge nothing of it. */
export type VerifyMode = 'warn' | 'stop'

export interface WalCheckOptions {
  readonly mode: VerifyMode
  readonly directory: string
  onEvent(event: ReceiveEvent): void
}

/** So much of the file before the start is read, to know the record before the first one. */
const BEFORE_START_BYTES = 1024 * 1024

interface Finding extends WalProblem {
  readonly timeline: number
}

/**
 * What a receiver knows about damage, over all its connections.
 *
 * Bytes that are wrong are not written at once: they may have been spoiled on the way. The connection is given up and
 * the segment fetched again. When the same is found at the same place, the server itself holds it.
 */
export class WalCheck {
  readonly mode: VerifyMode
  readonly #options: WalCheckOptions
  /** Found once, and being fetched again. */
  #suspect: Finding | null = null
  /** Positions of damage that the server is known to hold, by their text. */
  readonly #known = new Set<string>()

  constructor(options: WalCheckOptions) {
    this.mode = options.mode
    this.#options = options
  }

  /** Begins to check a stream. */
  async openStream(facts: ServerFacts, start: StartPoint, serverVersion: number): Promise<StreamCheck> {
    const major = Math.floor(serverVersion / 10_000)
    const magic = pageMagicOfMajor(major)
    if (magic === null)
      throw new ReceiveError(`the WAL of PostgreSQL ${major} is not known, and cannot be checked`, {
        code: 'RECEIVE_VERIFY_VERSION',
        hint: 'look for a newer release of this program, or use --verify=off',
      })
    const { directory } = this.#options
    const ancestors = await readAncestors(directory, start.timeline)
    const open = () => new StreamCheck(this, { ...facts, magic, start, ancestors })
    const check = open()
    await check.passBefore(directory)
    // What is wrong before the start is not this stream's concern.
    return check.isClean ? check : open()
  }

  /** Where to begin so that what is suspect comes again: its segment may be complete under its final name. */
  startFor(start: StartPoint, segmentSize: number): StartPoint {
    const suspect = this.#suspect
    if (suspect === null || suspect.timeline !== start.timeline) return start
    const lsn = segmentFloor(suspect.lsn, segmentSize)
    return lsn < start.lsn ? { ...start, lsn } : start
  }

  /** @internal For StreamCheck. @throws ReceiveError when the stream must not go on */
  judge(problem: WalProblem, timeline: number, segmentSize: number): void {
    if (this.#known.has(keyOf(timeline, problem))) {
      if (this.mode === 'stop') throw damagedAtServer(problem)
      return
    }
    const { onEvent } = this.#options
    if (this.#suspect === null || keyOf(this.#suspect.timeline, this.#suspect) !== keyOf(timeline, problem)) {
      const isFirst = this.#suspect === null
      this.#suspect = { ...problem, timeline }
      onEvent({ kind: 'wal-suspect', problem, timeline })
      throw new ReceiveError(`received WAL that is damaged: ${problem.text}`, {
        code: isFirst ? 'RECEIVE_WAL_SUSPECT' : 'RECEIVE_WAL_CHANGING',
        retryable: true,
        hint: isFirst
          ? 'it is fetched again, to see whether the server holds it so'
          : 'it comes differently each time: look at the network and at the memory of both machines',
      })
    }
    this.#suspect = null
    this.#known.add(keyOf(timeline, problem))
    const first = segmentNumber(problem.lsn, segmentSize)
    const last = segmentNumber((problem.detectedAt - 1n) as Lsn, segmentSize)
    const segments: string[] = []
    for (let segment = first; segment <= last; segment++)
      segments.push(segmentFileName(timeline, segment, segmentSize))
    onEvent({ kind: 'wal-damaged', problem, timeline, segments })
    if (this.mode === 'stop') throw damagedAtServer(problem)
  }

  /** @internal For StreamCheck: something is being fetched again. */
  get isWaiting(): boolean {
    return this.#suspect !== null
  }

  /** @internal For StreamCheck: what was suspect came again and was good. */
  passed(timeline: number, verified: Lsn): void {
    const suspect = this.#suspect
    if (suspect === null || suspect.timeline !== timeline || verified < suspect.detectedAt) return
    this.#suspect = null
    this.#options.onEvent({ kind: 'wal-healed', problem: suspect, timeline })
  }
}

interface StreamCheckOptions {
  readonly systemId: string
  readonly segmentSize: number
  readonly magic: number
  readonly start: StartPoint
  readonly ancestors: readonly Ancestor[] | null
}

/** Checks one stream as it comes. */
export class StreamCheck {
  readonly #check: WalCheck
  readonly #options: StreamCheckOptions
  readonly #verifier: WalVerifier
  #found: WalProblem[] = []

  constructor(check: WalCheck, options: StreamCheckOptions) {
    this.#check = check
    this.#options = options
    const { systemId, segmentSize, magic, start, ancestors } = options
    this.#verifier = new WalVerifier({
      segmentSize,
      timeline: start.timeline,
      ancestors,
      magic,
      systemIdentifier: BigInt(systemId),
      // A server sends what it has flushed, and that ends with the bytes, not with zeros.
      zeros: 'problem',
      onProblem: (problem) => this.#found.push(problem),
    })
  }

  /** Everything from the stream's start up to here was checked and is good. */
  get verified(): Lsn {
    const { lsn } = this.#options.start
    return lsnMax(lsn, this.#verifier.verifiedLsn ?? lsn)
  }

  /** Nothing wrong so far. */
  get isClean(): boolean {
    return this.#found.length === 0
  }

  /**
   * Reads the end of the segment before the start, so that the first record is checked whole and against the one before.
   * Best effort: a file that is not there or compressed leaves the rest of that record unchecked.
   */
  async passBefore(directory: string): Promise<void> {
    const { start, segmentSize } = this.#options
    const segment = segmentNumber(start.lsn, segmentSize)
    if (segment === 0n) return
    const length = Math.min(BEFORE_START_BYTES, segmentSize)
    const bytes = Buffer.alloc(length)
    try {
      const path = `${directory}/${segmentFileName(start.timeline, segment - 1n, segmentSize)}`
      const file = await open(path)
      try {
        const { bytesRead } = await file.read(bytes, 0, length, segmentSize - length)
        if (bytesRead < length) return
      } finally {
        await file.close()
      }
    } catch {
      return
    }
    this.#verifier.push((start.lsn - BigInt(length)) as Lsn, bytes)
  }

  /**
   * Checks what has come, before it is written.
   *
   * @throws ReceiveError when it must not be written
   */
  take(lsn: Lsn, bytes: Buffer): void {
    this.#verifier.push(lsn, bytes)
    const { start, segmentSize } = this.#options
    const found = this.#found
    if (found.length > 0) {
      this.#found = []
      for (const problem of found) this.#check.judge(problem, start.timeline, segmentSize)
    }
    if (this.#check.isWaiting) this.#check.passed(start.timeline, this.verified)
  }
}

/** The text has the values that were found, so the same text is the same bytes, as far as they matter. */
function keyOf(timeline: number, { lsn, text }: WalProblem): string {
  return `${timeline} ${lsn} ${text}`
}

function damagedAtServer(problem: WalProblem): ReceiveError {
  return new ReceiveError(`the server holds damaged WAL: ${problem.text}`, {
    code: 'RECEIVE_WAL_DAMAGED',
    hint: `nothing from ${formatLsn(problem.lsn)} on was acknowledged; look at the server's disk and memory, and take a new base backup. --verify=warn receives it all the same`,
    context: { lsn: formatLsn(problem.lsn), segment: problem.segment },
  })
}

/** Null where it is not to be had: then a page may be of any older timeline. */
async function readAncestors(directory: string, timeline: number): Promise<readonly Ancestor[] | null> {
  try {
    return parseTimelineHistory(await readFile(`${directory}/${historyFileName(timeline)}`))
  } catch {
    return null
  }
}
