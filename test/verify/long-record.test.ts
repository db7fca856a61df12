import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { verifyWal } from '../../src/verify/index.js'
import { type Lsn, parseLsn, segmentFileName, segmentNumber } from '../../src/wal/index.js'
import { SEGMENT_SIZE, WalBytes } from '../records/wal-bytes.js'

const START = parseLsn('0/1000000')
/** As many as are checked in one go. */
const RUN_FILES = 16

describe('a record that goes over whole segments behind the last one of a run', () => {
  const directory = mkdtempSync(join(tmpdir(), 'walship-long-record-'))
  afterAll(() => rmSync(directory, { recursive: true, force: true }))

  const wal = new WalBytes(START)
  while (wal.lsn < START + BigInt(RUN_FILES * SEGMENT_SIZE - 20_000)) wal.record({ bodyLength: 7000 })
  const long = wal.record({ bodyLength: 3 * SEGMENT_SIZE })
  while (wal.lsn < START + BigInt(22 * SEGMENT_SIZE)) wal.record({ bodyLength: 7000 })
  const { bytes } = wal

  it('is checked to its end', async () => {
    expect((await check()).problems).toEqual([])
    bytes[(RUN_FILES + 2) * SEGMENT_SIZE + 100_000]! ^= 1
    expect((await check()).problems).toMatchObject([{ kind: 'checksum', from: long }])
  })

  function check() {
    for (let at = 0; at + SEGMENT_SIZE <= bytes.length; at += SEGMENT_SIZE) {
      const segment = segmentNumber((START + BigInt(at)) as Lsn, SEGMENT_SIZE)
      const name = segmentFileName(1, segment, SEGMENT_SIZE)
      writeFileSync(join(directory, name), bytes.subarray(at, at + SEGMENT_SIZE))
    }
    const source = { kind: 'directory', path: directory } as const
    return verifyWal({ source, jobs: 1, signal: new AbortController().signal })
  }
})
