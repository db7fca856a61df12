/** What scripts/capture-fuzz-seeds.ts has written: bytes of real servers, to be changed. */
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import { type Lsn, parseSegmentFileName, segmentStart } from '../../src/wal/index.js'

const FOLDER = fileURLToPath(new URL('seeds/', import.meta.url))

/** Of the servers that the WAL is from. */
export const SEED_SEGMENT_SIZE = 1024 * 1024

export interface WalSeed {
  readonly major: number
  readonly name: string
  readonly start: Lsn
  readonly timeline: number
  readonly bytes: Buffer
}

export const WAL_SEEDS: readonly WalSeed[] = readdirSync(FOLDER)
  .filter((file) => file.startsWith('wal-'))
  .map((file) => {
    const [, major, name] = /^wal-(\d+)-([0-9A-F]{24})\.gz$/.exec(file)!
    const { segment, timeline } = parseSegmentFileName(name!, SEED_SEGMENT_SIZE)!
    return {
      major: Number(major),
      name: name!,
      start: segmentStart(segment, SEED_SEGMENT_SIZE),
      timeline,
      bytes: gunzipSync(readFileSync(FOLDER + file)),
    }
  })

/** A whole segment: what is not kept of it is zeros. */
export function wholeSegment(seed: WalSeed): Buffer {
  return Buffer.concat([seed.bytes], SEED_SEGMENT_SIZE)
}

/** The frames of one session with a real walsender, in order. */
export function sessionFrames(): Buffer[] {
  const said = gunzipSync(readFileSync(`${FOLDER}session-18.gz`))
  const frames: Buffer[] = []
  for (let at = 0; at < said.length; ) {
    const end = at + 1 + said.readUInt32BE(at + 1)
    frames.push(said.subarray(at, end))
    at = end
  }
  return frames
}
