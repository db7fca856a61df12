import { parseSegmentFileName } from '../wal/index.js'
import { checkSegment } from './archived-segment.js'
import { RestoreError } from './errors.js'
import { checkIdentity } from './identity-check.js'
import type { RestoreArchive } from './restore-archive.js'
import { joinTail } from './tail.js'
import { TailCache } from './tail-cache.js'
import { writeTarget } from './target-file.js'
import { parseWalFileName, type WalFileName } from './wal-file-name.js'

export interface RestoreRequest {
  /** The file PostgreSQL asks for, %f. */
  readonly name: string
  /** Where it is to go, %p. */
  readonly target: string
  readonly archive: RestoreArchive
  /** What a relative target is relative to. */
  readonly workingDirectory: string
  /** Folder for what is kept from call to call; null keeps nothing. */
  readonly cacheDirectory: string | null
  readonly signal?: AbortSignal
}

/**
 * `missing`: surely not in the archive, so PostgreSQL may take it for the end of WAL.
 * `open`: restored as far as it was written; the rest is zeros, and it is worth asking again.
 */
export type RestoreAnswer = 'restored' | 'open' | 'missing'

/** How often a tail that changes while it is read is read again. */
const TAIL_ATTEMPTS = 3

/**
 * Brings one file from the archive to where PostgreSQL wants it, complete, verified and durable, or not at all.
 *
 * Promise: `missing` only when the archive answered, is the right one, and has no such file. Every doubt is an error.
 *
 * @throws RestoreError, StoreError and whatever the store throws
 */
export async function restoreFile(request: RestoreRequest): Promise<RestoreAnswer> {
  const file = parseWalFileName(request.name)
  if (file === null) throw notAWalFile(request.name)
  const { segmentSize } = checkIdentity(request.archive, request)
  if (file.kind === 'backup') return 'missing'
  if (file.kind === 'history') return restoreHistory(file, request)
  const tailCache = new TailCache(request.cacheDirectory)
  const answer = await restoreSegment(file, request, segmentSize, tailCache)
  // After "missing" it stays: with several timelines a server asks for names of each in turn.
  if (answer !== 'missing') await tailCache.forgetAllBut(answer === 'open' ? file.name : null)
  return answer
}

async function restoreHistory(file: WalFileName, request: RestoreRequest): Promise<RestoreAnswer> {
  const content = await request.archive.getHistory(file.timeline)
  if (content === null) return 'missing'
  await writeTarget(request.target, content)
  return 'restored'
}

async function restoreSegment(
  file: WalFileName,
  request: RestoreRequest,
  segmentSize: number,
  tailCache: TailCache,
): Promise<RestoreAnswer> {
  const { archive, signal } = request
  const plainName = file.name.slice(0, 24)
  const parsed = parseSegmentFileName(plainName, segmentSize)
  if (
    parsed === null ||
    parsed.segment * BigInt(segmentSize) > 0xffff_ffff_ffff_ffffn ||
    !isCanonical(plainName, segmentSize)
  )
    throw wrongSegmentSize(file.name, segmentSize)

  const serve = async (bytes: Buffer, answer: 'restored' | 'open'): Promise<RestoreAnswer> => {
    checkSegment(plainName, bytes, archive)
    await writeTarget(request.target, bytes)
    return answer
  }
  const finished = await archive.getSegment(file.name, { signal })
  if (finished !== null)
    return serve(file.kind === 'partial' ? padded(finished, segmentSize) : finished, 'restored')
  if (file.kind === 'partial') return 'missing'

  for (let attempt = 1; ; attempt++) {
    const parts = await archive.listTailParts(parsed.timeline, parsed.segment, { signal })
    const read = (part: (typeof parts)[number]) => archive.readTailPart(part, { signal })
    // A part that is listed and then not there has been removed since: that is not yet a failure.
    const tail = await joinTail(plainName, parts, read, tailCache).catch((error: unknown) => ({
      error,
    }))
    const isWhole = 'bytes' in tail && !tail.hole && tail.bytes.length > 0
    if (isWhole) return serve(padded(tail.bytes, segmentSize), 'open')
    // Between the two looks the segment may have been finished, and its parts removed.
    const late = await archive.getSegment(plainName, { signal })
    if (late !== null) return serve(late, 'restored')
    if (parts.length === 0) break
    if (attempt < TAIL_ATTEMPTS) continue
    if ('error' in tail) throw tail.error
    // A part that never arrived: what is behind it was not acknowledged and cannot be replayed.
    if (tail.bytes.length > 0) return serve(padded(tail.bytes, segmentSize), 'open')
    break
  }
  // The last segment of a timeline that was left holds acknowledged WAL up to the switch point.
  const left = await archive.getSegment(`${plainName}.partial`, { signal })
  return left === null ? 'missing' : serve(padded(left, segmentSize), 'open')
}

function padded(bytes: Buffer, segmentSize: number): Buffer {
  if (bytes.length >= segmentSize) return bytes
  const whole = Buffer.alloc(segmentSize)
  bytes.copy(whole)
  return whole
}

/** False for a name that a cluster with this segment size never uses. */
function isCanonical(name: string, segmentSize: number): boolean {
  return BigInt(`0x${name.slice(16)}`) < 0x1_0000_0000n / BigInt(segmentSize)
}

function wrongSegmentSize(name: string, segmentSize: number): RestoreError {
  return new RestoreError(
    `no segment of a cluster with WAL segments of ${segmentSize} bytes is called ${name}`,
    {
      code: 'RESTORE_OTHER_CLUSTER',
      hint: 'check that the archive is that of the cluster that asks',
    },
  )
}

function notAWalFile(name: string): RestoreError {
  return new RestoreError(`"${name}" is not the name of a WAL file`, {
    code: 'RESTORE_NOT_A_WAL_FILE',
    hint: 'restore_command ends with %f %p, the name first and then the path',
  })
}
