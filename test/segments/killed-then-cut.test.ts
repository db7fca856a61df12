/** Killed at every call, started again, and then the power goes: what the start counts on has to be there. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { parseCompression } from '../../src/codec/index.js'
import { findStreamingStart, WalWriter } from '../../src/segments/index.js'
import type { Lsn } from '../../src/wal/index.js'
import { randomNumbers } from '../support/random.js'
import { CrashingFileSystem, PowerCut } from './crashing-file-system.js'
import { walByteAt } from './known-wal.js'
import { lsnOf, MB, temporaryDirectory } from './wal-directory-fixture.js'

const KILL_POINTS = 48

function openOn(files: CrashingFileSystem, method: string, start: Lsn): Promise<WalWriter> {
  return WalWriter.open({
    directory: '/simulated',
    segmentSize: MB,
    timeline: 1,
    start,
    compression: parseCompression(method),
    fileMode: 0o600,
    durable: true,
    synchronous: false,
    onFinished: () => {},
    files,
  })
}

/** Two segments and a half; the process is gone at that call. */
async function writeAndDie(files: CrashingFileSystem, method: string, call: number): Promise<void> {
  files.cutPowerAfter(call)
  try {
    const writer = await openOn(files, method, lsnOf(1))
    for (let at = 0; at < 2.5 * MB; at += MB / 4)
      await writer.write(lsnOf(1, at), [walByteAt(lsnOf(1, at), MB / 4)], false)
    await writer.close()
  } catch (error) {
    if (!(((error as Error).cause ?? error) instanceof PowerCut)) throw error
  }
}

async function startFrom(directory: string, image: Map<string, Buffer>): Promise<Lsn> {
  rmSync(directory, { recursive: true })
  mkdirSync(directory)
  for (const [name, content] of image) writeFileSync(join(directory, name), content)
  return (await findStreamingStart(directory, MB)).start?.lsn ?? lsnOf(1)
}

it.each(['none', 'gzip:1', 'lz4'])('%s', async (method) => {
  const directory = temporaryDirectory()
  for (let call = 0; call < KILL_POINTS; call++) {
    const files = new CrashingFileSystem(randomNumbers(call), true)
    await writeAndDie(files, method, call)
    files.revive()
    const start = await startFrom(directory, files.model.image)
    // The server hears `start` as flushed before the first byte comes.
    await openOn(files, method, start)
    for (let cut = 0; cut < 2; cut++) {
      const found = await startFrom(directory, files.model.afterPowerCut(true))
      expect(found, `killed at call ${call}`).toBeGreaterThanOrEqual(start)
    }
  }
})
