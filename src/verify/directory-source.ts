import { createReadStream } from 'node:fs'
import { open, readdir } from 'node:fs/promises'
import { errnoOf, WalshipError } from '../base/index.js'
import { CorruptStreamError, decompress } from '../codec/index.js'
import { historyTimeline, listWalFiles, readSystemIdentifier } from '../segments/index.js'
import { historyFileName, segmentStart } from '../wal/index.js'
import { readFailure } from './file-fault.js'
import { FilePieces } from './file-pieces.js'
import { UnreadableFile, type WalFile, type WalInventory, type WalSource } from './wal-source.js'

const PAGE_ADDRESS_OFFSET = 8

/** One file is checked while the next is read; so the third time its memory is free again. */
const BUFFER_COUNT = 3

type LocalFile = Awaited<ReturnType<typeof listWalFiles>>[number]

/** WAL in a local directory: what a receiver wrote, or a server's pg_wal. */
export class DirectorySource implements WalSource {
  readonly name: string
  readonly #path: string
  readonly #buffers: Buffer[] = []
  #nextBuffer = 0
  #pieceMemory: Buffer | null = null

  constructor(path: string) {
    this.name = `directory "${path}"`
    this.#path = path
  }

  async inventory(): Promise<WalInventory> {
    const identity = await readSystemIdentifier(this.#path)
    if (identity === null)
      throw new WalshipError(`there is no WAL in directory "${this.#path}"`, {
        code: 'VERIFY_NO_WAL',
        hint: 'name the directory that a receiver writes to, or a pg_wal',
      })
    const { segmentSize, systemIdentifier } = identity
    const chosen = new Map<string, LocalFile>()
    for (const file of await listWalFiles(this.#path, segmentSize)) {
      const key = `${file.name.slice(0, 24)}${file.partial}`
      // Left from another compression: the plain one is what a server would read.
      if (chosen.get(key)?.algorithm !== 'none') chosen.set(key, file)
    }
    const files = [...chosen.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
    const unused = await this.#countUnused(files, segmentSize)
    const histories = (await readdir(this.#path)).flatMap((name) => {
      const timeline = historyTimeline(name)
      return timeline === null ? [] : [timeline]
    })
    return {
      segmentSize,
      systemIdentifier,
      files: files.slice(0, files.length - unused).map(({ name, timeline, segment, partial }) => {
        return { name, timeline, segment, kind: partial ? 'partial' : 'segment' }
      }),
      histories,
      gaps: [],
      unused,
    }
  }

  openPieces(file: WalFile): FilePieces | null | undefined {
    if (packingOf(file) !== undefined) return undefined
    const path = `${this.#path}/${file.name}`
    try {
      this.#pieceMemory ??= FilePieces.memory()
      return new FilePieces(path, this.#pieceMemory)
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return null
      throw readFailure(path, error)
    }
  }

  async read(file: WalFile): Promise<Buffer | null> {
    const path = `${this.#path}/${file.name}`
    const packing = packingOf(file)
    try {
      if (packing === undefined) return await this.#readPlain(path)
      const chunks: Buffer[] = []
      for await (const chunk of decompress(packing === 'gz' ? 'gzip' : 'lz4', createReadStream(path)))
        chunks.push(chunk)
      return Buffer.concat(chunks)
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return null
      if (error instanceof CorruptStreamError) throw new UnreadableFile(error.message, COPY_HINT, error)
      throw readFailure(path, error)
    }
  }

  /** Only segments are kept here: they are read fast enough. */
  async readIndex(): Promise<null> {
    return null
  }

  async readHistory(timeline: number): Promise<Buffer | null> {
    const name = historyFileName(timeline)
    for (const suffix of ['', '.gz', '.lz4']) {
      const found = await this.read({ name: name + suffix, timeline, segment: 0n, kind: 'partial' })
      if (found !== null) return found
    }
    return null
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  /**
   * At one go, and into memory that was used before: the kernel would have to clear new pages for each segment, which
   * takes as long as reading it.
   */
  async #readPlain(path: string): Promise<Buffer> {
    await using file = await openForReading(path)
    const { size } = await file.handle.stat()
    const index = this.#nextBuffer++ % BUFFER_COUNT
    let memory = this.#buffers[index]
    if (memory === undefined || memory.length < size) {
      memory = Buffer.allocUnsafeSlow(size)
      this.#buffers[index] = memory
    }
    let length = 0
    while (length < size) {
      const { bytesRead } = await file.handle.read(memory, length, size - length, length)
      if (bytesRead === 0) break
      length += bytesRead
    }
    return memory.subarray(0, length)
  }

  /** A server renames old files for later use: their first page says where they were, or nothing. */
  async #countUnused(files: readonly LocalFile[], segmentSize: number): Promise<number> {
    let count = 0
    for (const { name, algorithm, partial, segment } of [...files].reverse()) {
      if (algorithm !== 'none' || partial) break
      const address = await this.#pageAddress(name)
      if (address === null || address >= segmentStart(segment, segmentSize)) break
      count++
    }
    return count
  }

  async #pageAddress(name: string): Promise<bigint | null> {
    try {
      await using file = await openForReading(`${this.#path}/${name}`)
      const head = Buffer.alloc(PAGE_ADDRESS_OFFSET + 8)
      const { bytesRead } = await file.handle.read(head, 0, head.length, 0)
      return bytesRead < head.length ? null : head.readBigUInt64LE(PAGE_ADDRESS_OFFSET)
    } catch {
      return null
    }
  }
}

const COPY_HINT = 'compare it with another copy'

function packingOf({ name }: WalFile): string | undefined {
  return /\.(gz|lz4)(\.partial)?$/.exec(name)?.[1]
}

async function openForReading(path: string) {
  const handle = await open(path)
  return { handle, [Symbol.asyncDispose]: () => handle.close() }
}
