import type { FileSystem } from '../base/index.js'
import type { CompressionSpec } from '../codec/index.js'
import type { Lsn } from '../wal/index.js'

export interface WalWriterOptions {
  readonly directory: string
  /** bytes */
  readonly segmentSize: number
  readonly timeline: number
  /** The first byte that will come; the start of a segment. */
  readonly start: Lsn
  readonly compression: CompressionSpec
  /** 0o600, or 0o640 for a cluster with group access */
  readonly fileMode: number
  /** False for --no-sync: no fsync at all. */
  readonly durable: boolean
  /** Commits wait for this writer: small writes with `sync` are the rule. */
  readonly synchronous: boolean
  /** A segment is complete under its final name (and durable). */
  readonly onFinished: (name: string, end: Lsn) => void
  readonly files?: FileSystem
}
