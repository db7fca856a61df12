import * as zlib from 'node:zlib'
import { WalshipError } from '../base/index.js'

/** What an object in the archive is compressed with. */
export type StoreAlgorithm = 'none' | 'gzip' | 'lz4' | 'zstd'

/** How objects are compressed on their way into the archive. */
export interface StoreCompression {
  readonly algorithm: StoreAlgorithm
  /** undefined: the algorithm's own default */
  readonly level: number | undefined
}

export const DEFAULT_STORE_COMPRESSION: StoreCompression = { algorithm: 'lz4', level: undefined }

/** In the order in which a reader looks for them where nothing else is known. */
export const STORE_ALGORITHMS: readonly StoreAlgorithm[] = ['lz4', 'zstd', 'gzip', 'none']

const EXTENSIONS: Readonly<Record<StoreAlgorithm, string>> = {
  none: '',
  gzip: '.gz',
  lz4: '.lz4',
  zstd: '.zst',
}

/** What the key of a compressed object ends with. */
export function storeExtension(algorithm: StoreAlgorithm): string {
  return EXTENSIONS[algorithm]
}

const LEVELS: Readonly<Record<StoreAlgorithm, readonly [number, number] | null>> = {
  none: null,
  gzip: [1, 9],
  lz4: [1, 12],
  zstd: [1, 19],
}

const HINT = 'use none, lz4, zstd[:1..19] or gzip[:1..9]'

/**
 * Reads `METHOD[:LEVEL]` or `METHOD:level=LEVEL`. lz4 has one level only: 1 to 12 all give the same.
 *
 * @throws WalshipError `INVALID_COMPRESSION`; `ZSTD_UNAVAILABLE` where the running Node.js has no zstd
 */
export function parseStoreCompression(text: string): StoreCompression {
  const match = /^([a-z0-9]+)(?::(?:level=)?([0-9]{1,3}))?$/.exec(text)
  const algorithm = STORE_ALGORITHMS.find((known) => known === match?.[1])
  if (match === null || algorithm === undefined) {
    throw new WalshipError(`invalid compression for the archive: "${text}"`, {
      code: 'INVALID_COMPRESSION',
      hint: HINT,
    })
  }
  const level = match[2] === undefined ? undefined : Number(match[2])
  const range = LEVELS[algorithm]
  if (level !== undefined && (range === null || level < range[0] || level > range[1])) {
    throw new WalshipError(`compression method "${algorithm}" does not have a level ${level}`, {
      code: 'INVALID_COMPRESSION',
      hint: HINT,
    })
  }
  if (algorithm === 'zstd') zstd()
  return { algorithm, level }
}

/** The part of `node:zlib` that Node.js 22.15 and 23.8 brought. */
interface Zstd {
  zstdDecompress(
    data: Buffer,
    options: { maxOutputLength: number },
    done: (error: Error | null, result: Buffer) => void,
  ): void
  createZstdCompress(options: { params?: Record<number, number>; chunkSize?: number }): zlib.Gzip
  readonly constants: { readonly ZSTD_c_compressionLevel: number }
}

/** True where the running Node.js can read and write zstd. */
export function hasZstd(): boolean {
  return typeof (zlib as unknown as Partial<Zstd>).createZstdCompress === 'function'
}

/** @throws WalshipError `ZSTD_UNAVAILABLE` */
export function zstd(): Zstd {
  if (hasZstd()) return zlib as unknown as Zstd
  throw new WalshipError(`Node.js ${process.version} cannot read or write zstd`, {
    code: 'ZSTD_UNAVAILABLE',
    hint: 'run walship on Node.js 22.15 or newer, or use lz4 or gzip',
  })
}
