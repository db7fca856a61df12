import { createHash } from 'node:crypto'
import { WalshipError } from '../base/index.js'
import type { Content } from './content.js'
import type { ReaderSource } from './content-reader.js'
import { PackingMemory } from './packing-memory.js'
import { PACKING_FAILED, packingThread } from './packing-thread.js'
import type { StoreCompression } from './store-compression.js'
import { compressBuffer } from './whole-buffer.js'

/** An object as it goes into a store. */
export interface Packed {
  readonly body: Buffer
  /** Of the body. */
  readonly bodySha256: Buffer
  /** Of the content, in hexadecimal digits. */
  readonly sha256: string
  /** By the reader; null also when there was none. */
  readonly found: Uint8Array | null
  /** To be called once, when nothing reads the body any more: its memory is used again. */
  release(): void
}

/** What is read, hashed and compressed in one go. */
const PIECE_SIZE = 256 * 1024

/** Up to this the way to the other thread takes longer than the work. */
const SMALL_SIZE = 32 * 1024

const memory = new PackingMemory(PIECE_SIZE, () => packingThread.stopIfIdle())

/**
 * Compresses content on a thread of its own while it is being read. In memory is only the result, and
 * a piece or two of the content.
 *
 * @param reader reads the content besides; what is so small that it is packed at once is not read
 * @throws what reading throws; WalshipError `PACKING_FAILED`, `ZSTD_UNAVAILABLE`
 */
export async function pack(
  compression: StoreCompression,
  content: Content,
  reader?: ReaderSource,
): Promise<Packed> {
  if (content.length <= SMALL_SIZE) return packHere(compression, content)
  try {
    return await packOnThread(compression, content, reader)
  } catch (error) {
    if (reader === undefined || !(error instanceof WalshipError) || error.code !== PACKING_FAILED) throw error
    // The thread is lost with whatever ends it, the reader's faults too: those must not keep an object from being stored.
    return packOnThread(compression, content, undefined)
  }
}

async function packOnThread(
  compression: StoreCompression,
  content: Content,
  reader: ReaderSource | undefined,
): Promise<Packed> {
  const id = packingThread.newId()
  const body = memory.takeBody(content.length)
  try {
    await packingThread.ask({ id, kind: 'begin', compression, body, reader })
    await givePieces(id, content)
    const answer = await packingThread.ask({ id, kind: 'end' })
    if (answer.kind !== 'packed') throw new Error(`packing ended with "${answer.kind}"`)
    return {
      body: Buffer.from(body, 0, answer.length),
      bodySha256: Buffer.from(answer.packedSha256, 'hex'),
      sha256: answer.sha256,
      found: answer.found,
      release: () => memory.giveBody(body),
    }
  } catch (error) {
    await packingThread.ask({ id, kind: 'cancel' }).catch(() => {})
    memory.giveBody(body)
    throw error
  }
}

async function packHere(compression: StoreCompression, content: Content): Promise<Packed> {
  const raw = Buffer.allocUnsafeSlow(content.length)
  await content.read(raw, 0)
  const body = await compressBuffer(compression, raw)
  const sha256 = createHash('sha256').update(raw).digest('hex')
  const bodySha256 = createHash('sha256').update(body).digest()
  return { body, bodySha256, sha256, found: null, release: () => {} }
}

/** Reads the next piece while the last one is being packed. */
async function givePieces(id: number, content: Content): Promise<void> {
  const pieces = [memory.takePiece(), memory.takePiece()] as const
  let packing: Promise<unknown> | null = null
  try {
    for (let from = 0; from < content.length; from += PIECE_SIZE) {
      const piece = pieces[(from / PIECE_SIZE) % 2]!
      const length = Math.min(PIECE_SIZE, content.length - from)
      await content.read(Buffer.from(piece, 0, length), from)
      await packing
      packing = packingThread.ask({ id, kind: 'piece', memory: piece, length })
      // It may fail while the next piece is being read; the error is met when it is awaited.
      packing.catch(() => {})
    }
    await packing
  } finally {
    await packing?.catch(() => {})
    for (const piece of pieces) memory.givePiece(piece)
  }
}
