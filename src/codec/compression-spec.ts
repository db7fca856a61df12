import { WalshipError } from '../base/index.js'

/** What a file's bytes are compressed with. */
export type CompressionAlgorithm = 'none' | 'gzip' | 'lz4'

export interface CompressionSpec {
  readonly algorithm: CompressionAlgorithm
  /** undefined: the algorithm's own default */
  readonly level: number | undefined
}

export const NO_COMPRESSION: CompressionSpec = { algorithm: 'none', level: undefined }

const EXTENSIONS: Readonly<Record<CompressionAlgorithm, string>> = { none: '', gzip: '.gz', lz4: '.lz4' }

/** What a compressed file's name ends with: an empty string, `.gz` or `.lz4`. */
export function fileExtension(algorithm: CompressionAlgorithm): string {
  return EXTENSIONS[algorithm]
}

/** Levels an algorithm takes; its default is accepted too, though it may lie outside of the range. */
interface LevelRange {
  readonly min: number
  readonly max: number
  readonly default: number
}

const LEVELS: Readonly<Record<string, LevelRange | undefined>> = {
  gzip: { min: 1, max: 9, default: -1 },
  lz4: { min: 1, max: 12, default: 0 },
  zstd: { min: -131_072, max: 22, default: 3 },
}

/**
 * Reads the argument of `-Z`/`--compress`: `METHOD[:DETAIL]` or a bare level, by the rules of
 * pg_receivewal 16 and newer, odd ones included (`''` is no compression, `gzip: 5` is level 5).
 * PostgreSQL: src/common/compression.c.
 *
 * @throws WalshipError `INVALID_COMPRESSION` with pg_receivewal's text
 */
export function parseCompression(text: string): CompressionSpec {
  const bareLevel = parseInteger(text)
  if (/^[ \t\n\v\f\r]*[+-]?0+$/.test(text) || text === '') return NO_COMPRESSION
  const colon = text.indexOf(':')
  const algorithm = bareLevel !== undefined ? 'gzip' : colon < 0 ? text : text.slice(0, colon)
  if (!['none', 'gzip', 'lz4', 'zstd'].includes(algorithm)) {
    throw invalid(`unrecognized compression algorithm: "${algorithm}"`)
  }
  const detail = bareLevel !== undefined ? text : colon < 0 ? undefined : text.slice(colon + 1)
  const options = parseDetail(algorithm, detail)
  checkOptions(algorithm, options)
  if (algorithm === 'zstd') throw invalid('compression with ZSTD is not yet supported')
  const isDefault = algorithm === 'none' || options.level === LEVELS[algorithm]?.default
  return { algorithm: algorithm as CompressionAlgorithm, level: isDefault ? undefined : options.level }
}

interface Options {
  level: number
  workers: boolean
  longDistance: boolean
}

function parseDetail(algorithm: string, detail: string | undefined): Options {
  const options: Options = { level: LEVELS[algorithm]?.default ?? 0, workers: false, longDistance: false }
  if (detail === undefined) return options
  const bareLevel = parseInteger(detail)
  if (bareLevel !== undefined) return { ...options, level: bareLevel }
  for (const entry of detail.split(',')) {
    const equals = entry.indexOf('=')
    const keyword = equals < 0 ? entry : entry.slice(0, equals)
    const value = equals < 0 ? undefined : entry.slice(equals + 1)
    if (keyword === '') throw invalidDetail('found empty string where a compression option was expected')
    if (keyword === 'level') options.level = integerValue(keyword, value)
    else if (keyword === 'workers') {
      integerValue(keyword, value)
      options.workers = true
    } else if (keyword === 'long') {
      checkBoolean(keyword, value)
      options.longDistance = true
    } else throw invalidDetail(`unrecognized compression option: "${keyword}"`)
  }
  return options
}

function checkOptions(algorithm: string, options: Options): void {
  const name = `compression algorithm "${algorithm}"`
  const range = LEVELS[algorithm]
  if (range === undefined) {
    if (options.level !== 0) throw invalidDetail(`${name} does not accept a compression level`)
  } else if ((options.level < range.min || options.level > range.max) && options.level !== range.default) {
    throw invalidDetail(
      `${name} expects a compression level between ${range.min} and ${range.max} (default at ${range.default})`,
    )
  }
  if (options.workers && algorithm !== 'zstd') throw invalidDetail(`${name} does not accept a worker count`)
  if (options.longDistance && algorithm !== 'zstd')
    throw invalidDetail(`${name} does not support long-distance mode`)
}

function integerValue(keyword: string, value: string | undefined): number {
  if (value === undefined) throw invalidDetail(`compression option "${keyword}" requires a value`)
  const integer = parseInteger(value)
  if (integer === undefined)
    throw invalidDetail(`value for compression option "${keyword}" must be an integer`)
  return integer
}

function checkBoolean(keyword: string, value: string | undefined): void {
  if (value !== undefined && !/^(yes|on|1|no|off|0)$/i.test(value))
    throw invalidDetail(`value for compression option "${keyword}" must be a Boolean value`)
}

/** strtol(3) over a whole string, kept in an `int` as PostgreSQL does; undefined when it is no integer. */
function parseInteger(text: string): number | undefined {
  if (!/^[ \t\n\v\f\r]*[+-]?[0-9]+$/.test(text)) return undefined
  const digits = text.trim()
  const value = BigInt(digits.startsWith('+') ? digits.slice(1) : digits)
  const limit = 2n ** 63n
  const long = value >= limit ? limit - 1n : value < -limit ? -limit : value
  return Number(BigInt.asIntN(32, long))
}

function invalidDetail(reason: string): WalshipError {
  return invalid(`invalid compression specification: ${reason}`)
}

function invalid(message: string): WalshipError {
  return new WalshipError(message, {
    code: 'INVALID_COMPRESSION',
    hint: 'use none, gzip[:1..9] or lz4[:1..12]',
  })
}
