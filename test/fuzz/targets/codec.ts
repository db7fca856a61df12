import {
  compressBuffer,
  createCompressor,
  decompress,
  decompressBuffer,
  hasZstd,
  recoverable,
  type StoreAlgorithm,
} from '../../../src/codec/index.js'
import { type FuzzTarget, judgedAsync, must } from '../judge.js'
import { mutateBytes } from '../mutate.js'
import type { Random } from '../random.js'
import { WAL_SEEDS } from '../seeds.js'

const ALGORITHMS: readonly StoreAlgorithm[] = hasZstd() ? ['gzip', 'lz4', 'zstd'] : ['gzip', 'lz4']

function content(random: Random): Buffer {
  if (random.onceIn(4)) return Buffer.alloc(random.below(200_000), random.below(3))
  const { bytes } = random.pick(WAL_SEEDS)
  const from = random.below(bytes.length)
  return bytes.subarray(from, from + random.below(150_000))
}

/** Compressed objects: the content again, or an error; never more than was asked for. */
export const objectsCodecTarget: FuzzTarget = {
  name: 'packed',
  shortRuns: 250,
  async run(random) {
    const algorithm = random.pick(ALGORITHMS)
    const raw = content(random)
    const packed = await compressBuffer({ algorithm, level: undefined }, raw)
    const back = await decompressBuffer(algorithm, packed, raw.length)
    must(back.equals(raw), `${algorithm} gives back something else`)
    const changed = mutateBytes(random, packed, [packed])
    const limit = random.pick([0, 100, raw.length, 2 * raw.length])
    const unpacked = await judgedAsync('decompressBuffer', () => decompressBuffer(algorithm, changed, limit))
    if ('value' in unpacked)
      must(
        unpacked.value.length <= Math.max(1, limit),
        `${unpacked.value.length} bytes in place of at most ${limit}`,
      )
  },
}

/** Compressed files, as a receiver leaves them: read as a stream, and up to where they can be read. */
export const filesCodecTarget: FuzzTarget = {
  name: 'files',
  shortRuns: 150,
  async run(random) {
    const algorithm = random.pick(['gzip', 'lz4'] as const)
    const raw = content(random).subarray(0, 60_000)
    const packed = await compressFile(algorithm, raw)
    const changed = mutateBytes(random, packed, [packed])
    const size = 1 + random.below(70_000)
    let total = 0
    const read = await judgedAsync('decompress', async () => {
      for await (const block of decompress(algorithm, pieces(changed, size))) total += block.length
    })
    const { size: had } = await recoverable(algorithm, () => pieces(changed, size))
    if ('value' in read) must(had === total, `${had} bytes can be had, and ${total} came`)
    else must(had >= total, `${had} bytes can be had, and ${total} came before the error`)
  },
}

async function* pieces(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

async function compressFile(algorithm: 'gzip' | 'lz4', raw: Buffer): Promise<Buffer> {
  const written: Buffer[] = []
  const compressor = createCompressor({ algorithm, level: undefined }, async (chunks) => {
    for (const chunk of chunks) written.push(Buffer.from(chunk))
  })
  await compressor.write([raw])
  await compressor.end()
  return Buffer.concat(written)
}
