import { setImmediate } from 'node:timers/promises'
import { type WalProblem, WalVerifier } from '../records/index.js'
import { formatLsn, type Lsn, lsnAdd, segmentStart } from '../wal/index.js'
import type { Run } from './check-plan.js'
import {
  contentFault,
  type FileFault,
  lengthFault,
  readFailure,
  unreadable,
  type WholeContent,
} from './file-fault.js'
import { FilePieces } from './file-pieces.js'
import type { VerifyProblem } from './verify-problem.js'
import { UnreadableFile, type WalFile, type WalInventory, type WalSource } from './wal-source.js'

/** What came of a run. */
export interface RunResult {
  readonly problems: readonly VerifyProblem[]
  readonly records: number
  readonly bytes: number
  readonly strayPadding: number
  readonly overwrittenRecords: number
  /** Where WAL ends: set for the last run of a timeline. */
  readonly end: ChainEnd | null
}

export interface ChainEnd {
  /** The last whole record ends here, or what follows a segment switch. */
  readonly lsn: Lsn
  /** Where a record begins that is not complete. Ordinary at the end of what was received. */
  readonly unfinished: Lsn | null
}

/** Pieces in which the files behind a run are looked at. */
const SEAM_BYTES = 64 * 1024

/** Between pieces of this size the next file gets on with being read, which takes several steps. */
const PIECE_BYTES = 1024 * 1024

type RunContext = Pick<WalInventory, 'segmentSize' | 'systemIdentifier'> & { readonly signal: AbortSignal }

/**
 * Checks files that follow on each other, and that the next one goes on from the last.
 *
 * @param onFile called when a file was checked
 * @throws WalshipError when the place cannot be read at all
 */
export async function checkRun(
  source: WalSource,
  run: Run,
  context: RunContext,
  onFile: (file: WalFile, byteCount: number) => void,
): Promise<RunResult> {
  return new RunCheck(source, run, context).check(onFile)
}

class RunCheck {
  readonly #source: WalSource
  readonly #run: Run
  readonly #context: RunContext
  readonly #problems: VerifyProblem[] = []
  #found: WalProblem[] = []
  #verifier: WalVerifier | null = null
  readonly #sums = { records: 0, bytes: 0, strayPadding: 0, overwrittenRecords: 0 }
  #end: ChainEnd | null = null

  constructor(source: WalSource, run: Run, context: RunContext) {
    this.#source = source
    this.#run = run
    this.#context = context
  }

  async check(onFile: (file: WalFile, byteCount: number) => void): Promise<RunResult> {
    const { before, files, following, isEnd } = this.#run
    if (before !== null) await this.#passBefore(before)
    // In the last file zeros are looked for from its end.
    const isInPieces = (index: number) => index < files.length - (isEnd ? 1 : 0)
    let coming = this.#begin(files[0]!, isInPieces(0))
    try {
      for (const [index, file] of files.entries()) {
        const content = await coming
        const next = files[index + 1] ?? following[0]
        // While this one is checked. A failure is met where it is awaited.
        if (next !== undefined) coming = this.#begin(next, isInPieces(index + 1))
        coming.catch(() => {})
        const before = this.#sums.bytes
        if (content instanceof FilePieces) await this.#checkPieces(file, content)
        else await this.#checkFile(file, content, isEnd && index === files.length - 1)
        onFile(file, this.#sums.bytes - before)
      }
    } catch (error) {
      const unused = await coming.catch(() => null)
      if (unused instanceof FilePieces) unused[Symbol.dispose]()
      throw error
    }
    if (following.length > 0) await this.#checkSeam(following, coming as Promise<WholeContent>)
    this.#closeVerifier()
    return { ...this.#sums, problems: this.#problems, end: this.#end }
  }

  async #begin(file: WalFile, inPieces: boolean): Promise<WholeContent | FilePieces> {
    try {
      const pieces = inPieces ? this.#source.openPieces?.(file) : undefined
      return pieces === undefined ? await this.#read(file) : pieces
    } catch (error) {
      if (error instanceof UnreadableFile) return error
      throw error
    }
  }

  async #read(file: WalFile): Promise<WholeContent> {
    try {
      return await this.#source.read(file, this.#context.signal)
    } catch (error) {
      if (error instanceof UnreadableFile) return error
      throw error
    }
  }

  /** Another run checks this file; here it only says which record is before the first one. */
  async #passBefore(before: WalFile): Promise<void> {
    const bytes = await this.#read(before)
    if (!(bytes instanceof Buffer) || bytes.length !== this.#context.segmentSize) return
    const verifier = this.#open()
    verifier.push(this.#startOf(before), bytes)
    if (this.#found.length > 0) this.#verifier = null
    this.#found = []
    this.#sums.records -= verifier.records
  }

  async #checkPieces(file: WalFile, pieces: FilePieces): Promise<void> {
    using opened = pieces
    const { segmentSize } = this.#context
    const start = this.#startOf(file)
    let fault = lengthFault(file, opened.size, segmentSize)
    while (fault === null && opened.position < opened.size) {
      const at = opened.position
      const piece = this.#nextPiece(opened)
      if (piece instanceof UnreadableFile) fault = unreadable(piece)
      else if (piece.length === 0) fault = lengthFault(file, at, segmentSize)
      else {
        ;(this.#verifier ?? this.#open()).push(lsnAdd(start, at), piece)
        this.#sums.bytes += piece.length
      }
      await setImmediate()
      this.#context.signal.throwIfAborted()
    }
    if (fault === null) return
    this.#addFileProblem(file, fault)
    // What follows is looked at by itself.
    this.#closeVerifier()
  }

  #nextPiece(pieces: FilePieces): Buffer | UnreadableFile {
    try {
      return pieces.next()
    } catch (error) {
      const failure = readFailure(pieces.path, error)
      if (failure instanceof UnreadableFile) return failure
      throw failure
    }
  }

  async #checkFile(file: WalFile, bytes: WholeContent, isLast: boolean): Promise<void> {
    const fault = contentFault(file, bytes, this.#context.segmentSize)
    if (fault !== null) this.#addFileProblem(file, fault)
    if (!(bytes instanceof Buffer) || fault !== null) {
      // What follows is looked at by itself.
      this.#closeVerifier()
      return
    }
    this.#sums.bytes += bytes.length
    const verifier = this.#verifier ?? this.#open()
    for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
      verifier.push(lsnAdd(this.#startOf(file), at), bytes.subarray(at, at + PIECE_BYTES))
      await setImmediate()
      this.#context.signal.throwIfAborted()
    }
    if (isLast) this.#judgeEnd(file, bytes, verifier)
  }

  #addFileProblem(file: WalFile, { kind, text, hint }: FileFault): void {
    const from = this.#startOf(file)
    const to = lsnAdd(from, this.#context.segmentSize)
    const range = `WAL from ${formatLsn(from)} to ${formatLsn(to)}`
    const { timeline } = file
    this.#problems.push({
      kind,
      timeline,
      segment: file.name,
      from,
      to,
      text: `${file.name}, ${range}: ${text}`,
      hint,
    })
  }

  /**
   * Reads on until a record that begins in the next file has named the last one here as the one before it. The last one
   * may go over files.
   */
  async #checkSeam(following: readonly WalFile[], coming: Promise<WholeContent>): Promise<void> {
    const verifier = this.#verifier
    if (verifier === null) return
    const seam = this.#startOf(following[0]!)
    const recordsBefore = verifier.records
    const problemsBefore = this.#found.length
    // It is of this run: the others cannot see where it begins.
    const cut = verifier.unfinishedRecordLsn === null ? 0 : 1
    const isOver = () =>
      (verifier.lastRecordLsn ?? 0n) >= seam ||
      this.#found.length > problemsBefore ||
      verifier.zerosFrom !== null
    for (const [index, file] of following.entries()) {
      const bytes = index === 0 ? await coming : await this.#read(file)
      // Its own run tells what is wrong with the file itself.
      if (!(bytes instanceof Buffer) || contentFault(file, bytes, this.#context.segmentSize) !== null) break
      for (let at = 0; at < bytes.length && !isOver(); at += SEAM_BYTES)
        verifier.push(lsnAdd(this.#startOf(file), at), bytes.subarray(at, at + SEAM_BYTES))
      if (isOver() || bytes.length < this.#context.segmentSize) break
    }
    this.#sums.records -= Math.max(0, verifier.records - recordsBefore - cut)
  }

  /**
   * The end of what was received may lie in the middle of a record, with zeros behind it. What only the zeros
   * give away is no damage but the end.
   */
  #judgeEnd(file: WalFile, bytes: Buffer, verifier: WalVerifier): void {
    let written = bytes.length
    while (written > 0 && bytes[written - 1] === 0) written--
    const endOfWritten = lsnAdd(this.#startOf(file), written)
    const last = this.#found.at(-1)
    const isUnfinished =
      last !== undefined && last.resumedAt === null && last.detectedAt >= endOfWritten && file.kind !== 'tail'
    if (isUnfinished) this.#found.pop()
    const unfinished = isUnfinished ? last.lsn : verifier.unfinishedRecordLsn
    const problem = this.#found.at(-1)
    const lsn =
      problem !== undefined && problem.resumedAt === null
        ? problem.lsn
        : (unfinished ?? this.#endOf(verifier))
    this.#end = { lsn, unfinished }
  }

  #endOf(verifier: WalVerifier): Lsn {
    return verifier.zerosFrom ?? verifier.position!
  }

  #open(): WalVerifier {
    const { timeline, ancestors } = this.#run
    const { segmentSize, systemIdentifier } = this.#context
    this.#found = []
    this.#verifier = new WalVerifier({
      segmentSize,
      systemIdentifier,
      timeline,
      ancestors,
      onProblem: (problem) => this.#found.push(problem),
    })
    return this.#verifier
  }

  #closeVerifier(): void {
    const verifier = this.#verifier
    if (verifier === null) return
    this.#sums.records += verifier.records
    this.#sums.strayPadding += verifier.strayPadding
    this.#sums.overwrittenRecords += verifier.overwrittenRecords
    for (const { kind, lsn, segment, text, hint, resumedAt } of this.#found)
      this.#problems.push({
        kind,
        timeline: this.#run.timeline,
        segment,
        from: lsn,
        to: resumedAt,
        text,
        hint,
      })
    this.#found = []
    this.#verifier = null
  }

  #startOf(file: WalFile): Lsn {
    return segmentStart(file.segment, this.#context.segmentSize)
  }
}
