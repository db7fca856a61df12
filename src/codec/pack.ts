import { createHash } from 'node:crypto'
import type { Content } from './content.js'
import { packedBound } from './packed-output.js'
import { PackingMemory } from './packing-memory.js'
import { packingThread } from './packing-thread.js'
import type { StoreCompression } from './store-compression.js'
import { compressBuffer } from './whole-buffer.js'

/** An object as it goes into a store. */
export interface Packed {
  readonly body: Buffer
  /** Of the body. */
  readonly bodySha256: Buffer
  /** Of the content, in hexadecimal digits. */
  readonly sha256: string
  /** Nothing refers to the body any more: its memory may be used again. */
  release(): void
}

/** What is read, hashed and compressed in one go. */
const PIECE_SIZE = 1024 * 1024

/** Up to this the way to the other thread takes longer than the work. */
const SMALL_SIZE = 32 * 1024

const memory = new PackingMemory(PIECE_SIZE)

/**
 * Compresses content on a thread of its own while it is being read. In memory is only the result, and
 * a piece or two of the content.
 *
 * @throws what reading throws; WalshipError `PACKING_FAILED`, `ZSTD_UNAVAILABLE`
 */
export async function pack(compression: StoreCompression, content: Content): Promise<Packed> {
  if (content.length <= SMALL_SIZE) return packHere(compression, content)
  const id = packingThread.newId()
  const body = memory.takeBody(packedBound(content.length))
  await packingThread.ask({ id, kind: 'begin', compression, body }, [body])
  try {
    await givePieces(id, content)
  } catch (error) {
    await packingThread.ask({ id, kind: 'cancel' }).catch(() => {})
    throw error
  }
  const answer = await packingThread.ask({ id, kind: 'end' })
  if (answer.kind !== 'packed') throw new Error(`packing ended with "${answer.kind}"`)
  return {
    body: Buffer.from(answer.body, 0, answer.length),
    bodySha256: Buffer.from(answer.packedSha256, 'hex'),
    sha256: answer.sha256,
    release: () => memory.giveBody(answer.body),
  }
}

async function packHere(compression: StoreCompression, content: Content): Promise<Packed> {
  const raw = Buffer.allocUnsafeSlow(content.length)
  await content.read(raw, 0)
  const body = await compressBuffer(compression, raw)
  const sha256 = createHash('sha256').update(raw).digest('hex')
  return { body, bodySha256: createHash('sha256').update(body).digest(), sha256, release: () => {} }
}

/** Reads the next piece while the last one is being packed. */
async function givePieces(id: number, content: Content): Promise<void> {
  let packing: Promise<void> | null = null
  try {
    for (let from = 0; from < content.length; from += PIECE_SIZE) {
      const length = Math.min(PIECE_SIZE, content.length - from)
      const piece = memory.takePiece()
      await content.read(Buffer.from(piece, 0, length), from)
      await packing
      packing = givePiece(id, piece, length)
      // It may fail while the next piece is being read; the error is met when it is awaited.
      packing.catch(() => {})
    }
  } finally {
    await packing
  }
}

async function givePiece(id: number, piece: ArrayBuffer, length: number): Promise<void> {
  const answer = await packingThread.ask({ id, kind: 'piece', memory: piece, length }, [piece])
  if (answer.kind === 'taken') memory.givePiece(answer.memory)
}
