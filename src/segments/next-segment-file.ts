import { constants } from 'node:fs'
import { writeFully } from '../base/index.js'
import { hiddenFileName } from './file-name.js'
import { closeDescriptors, openDescriptors, type PlainDescriptors } from './plain-segment-file.js'
import type { SegmentFileContext } from './segment-file.js'

/**
 * Small, so that a commit that meets a piece on the way to the disk waits less than a millisecond more, and
 * not so small that many commits meet one.
 */
const PIECE_SIZE = 512 * 1024

const ZEROS = Buffer.alloc(PIECE_SIZE)

/**
 * The file for the segment after the present one, made ready while commits are acknowledged one by one:
 * a durable write into blocks that are already allocated and written needs no journal commit.
 *
 * It is filled piece by piece, one piece at most per commit and never further than twice as far as the
 * present segment is, so that the disk is the commits' own most of the time. What is not filled when
 * the file is needed stays a hole. It is a favour, never a duty: when it fails, it is given up, and its
 * space with it.
 */
export class NextSegmentFile {
  readonly segmentName: string
  readonly #context: SegmentFileContext
  readonly #path: string
  #descriptors: PlainDescriptors | null = null
  #filled = 0
  #piece: Promise<void> | null = null
  #over = false

  constructor(segmentName: string, context: SegmentFileContext) {
    this.segmentName = segmentName
    this.#context = context
    this.#path = `${context.directory}/${hiddenFileName(segmentName)}`
  }

  /** Starts one more piece if it is time for it. @param offset how far the present segment is, in bytes */
  advance(offset: number): void {
    if (this.#over || this.#piece !== null) return
    if (this.#filled >= Math.min(this.#context.segmentSize, 2 * offset)) return
    this.#piece = this.#fillPiece().then(
      () => {
        this.#piece = null
      },
      async () => {
        await this.#giveUp()
        this.#piece = null
      },
    )
  }

  /** Hands the file over, full size and under its hidden name; null when there is none. */
  async take(): Promise<PlainDescriptors | null> {
    await this.#piece
    this.#over = true
    const descriptors = this.#descriptors
    this.#descriptors = null
    return descriptors
  }

  /** Removes the file. */
  async discard(): Promise<void> {
    await this.#piece
    await this.#giveUp()
  }

  async #fillPiece(): Promise<void> {
    const { segmentSize } = this.#context
    if (this.#descriptors === null) {
      this.#descriptors = await openDescriptors(
        this.#path,
        constants.O_CREAT | constants.O_TRUNC,
        this.#context,
      )
      await this.#descriptors.file.truncate(segmentSize)
    }
    const { file, durable } = this.#descriptors
    const piece = ZEROS.subarray(0, segmentSize - this.#filled)
    await writeFully(durable ?? file, [piece], this.#filled)
    if (durable === null) await file.datasync()
    this.#filled += piece.length
  }

  async #giveUp(): Promise<void> {
    this.#over = true
    if (this.#descriptors === null) return
    await closeDescriptors(this.#descriptors).catch(() => {})
    this.#descriptors = null
    await this.#context.files.unlink(this.#path).catch(() => {})
  }
}
