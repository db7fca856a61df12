/** The thread behind `pack`: packs the objects it is given, several by turns. */
import { createHash } from 'node:crypto'
import { parentPort } from 'node:worker_threads'
import { GuardedReader } from './content-reader.js'
import { collectYoungGarbage } from './early-collection.js'
import { lz4Blocks } from './lz4-blocks.js'
import { PackedOutput } from './packed-output.js'
import type { PackingAnswer, PackingRequest } from './packing-messages.js'
import { type StreamPacker, streamPacker } from './stream-packers.js'

class Packing {
  readonly #output: PackedOutput
  readonly #packer: StreamPacker
  readonly #hash = createHash('sha256')
  readonly #reader: GuardedReader

  constructor({ compression, body }: PackingRequest & { kind: 'begin' }, reader: GuardedReader) {
    this.#output = new PackedOutput(Buffer.from(body))
    this.#packer = streamPacker(compression, this.#output)
    this.#reader = reader
  }

  async take(memory: SharedArrayBuffer, length: number): Promise<void> {
    const piece = Buffer.from(memory, 0, length)
    this.#hash.update(piece)
    this.#reader.take(piece)
    await this.#packer.write(piece)
  }

  async end(): Promise<Omit<PackingAnswer & { kind: 'packed' }, 'id' | 'kind'>> {
    await this.#packer.end()
    const sha256 = this.#hash.digest('hex')
    return {
      length: this.#output.length,
      sha256,
      packedSha256: this.#output.sha256(),
      found: this.#reader.end(sha256),
    }
  }

  destroy(): void {
    this.#packer.destroy()
  }
}

const packings = new Map<number, Packing>()
const port = parentPort!

port.on('message', async (request: PackingRequest) => {
  const { id } = request
  try {
    port.postMessage(await answerTo(request))
  } catch (error) {
    forget(id)
    const message = error instanceof Error ? error.message : String(error)
    port.postMessage({ id, kind: 'failed', message } satisfies PackingAnswer)
  }
})

async function answerTo(request: PackingRequest): Promise<PackingAnswer> {
  const { id } = request
  switch (request.kind) {
    case 'begin':
      packings.set(id, new Packing(request, await GuardedReader.open(request.reader)))
      return { id, kind: 'begun' }
    case 'piece':
      await packings.get(id)!.take(request.memory, request.length)
      await collectYoungGarbage(request.length)
      return { id, kind: 'taken' }
    case 'end': {
      const packed = await packings.get(id)!.end()
      packings.delete(id)
      return { id, kind: 'packed', ...packed }
    }
    case 'blocks': {
      const length = writeBlocks(Buffer.from(request.memory, 0, request.length), Buffer.from(request.body))
      await collectYoungGarbage(request.length)
      return { id, kind: 'blocks', length }
    }
    case 'cancel':
      forget(id)
      return { id, kind: 'cancelled' }
  }
}

/** @returns how many bytes the blocks have */
function writeBlocks(raw: Buffer, target: Buffer): number {
  let length = 0
  for (const [size, bytes] of lz4Blocks(raw)) {
    length += size.copy(target, length)
    length += bytes.copy(target, length)
  }
  return length
}

function forget(id: number): void {
  packings.get(id)?.destroy()
  packings.delete(id)
}
