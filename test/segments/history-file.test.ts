import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { NO_COMPRESSION } from '../../src/codec/index.js'
import { historyFileExists, writeHistoryFile } from '../../src/segments/index.js'
import { ObservedFileSystem } from './observed-file-system.js'
import { contentOf, namesIn, temporaryDirectory } from './wal-directory-fixture.js'

const CONTENT = Buffer.from('1\t0/2B01A08\tno recovery target specified\n')

function request(directory: string) {
  return {
    directory,
    timeline: 2,
    content: CONTENT,
    compression: NO_COMPRESSION,
    fileMode: 0o640,
    durable: true,
  } as const
}

describe('writeHistoryFile', () => {
  it.each([
    ['none', ''],
    ['gzip', '.gz'],
    ['lz4', '.lz4'],
  ] as const)('writes the content, compressed as the segments are (%s)', async (algorithm, extension) => {
    const directory = temporaryDirectory()
    expect(await historyFileExists(directory, 2)).toBe(false)
    const name = await writeHistoryFile({
      ...request(directory),
      compression: { algorithm, level: undefined },
    })
    expect(name).toBe(`00000002.history${extension}`)
    expect(namesIn(directory)).toEqual([name])
    expect((await contentOf(directory, name)).equals(CONTENT)).toBe(true)
    expect(statSync(join(directory, name)).mode & 0o777).toBe(0o640)
    expect(await historyFileExists(directory, 2)).toBe(true)
    expect(await historyFileExists(directory, 3)).toBe(false)
  })

  it('empties a longer left-over temporary file first', async () => {
    const directory = temporaryDirectory()
    writeFileSync(join(directory, '00000002.history.tmp'), 'x'.repeat(10_000))
    await writeHistoryFile(request(directory))
    expect(readFileSync(join(directory, '00000002.history')).equals(CONTENT)).toBe(true)
    expect(namesIn(directory)).toEqual(['00000002.history'])
  })

  it('syncs the file before the name appears, and the directory after', async () => {
    const directory = temporaryDirectory()
    const files = new ObservedFileSystem()
    await writeHistoryFile({ ...request(directory), files })
    expect(files.log).toEqual([
      'write 00000002.history.tmp',
      'sync 00000002.history.tmp',
      'close 00000002.history.tmp',
      'rename 00000002.history.tmp 00000002.history',
      `sync ${basename(directory)}`,
      `close ${basename(directory)}`,
    ])
    files.log.length = 0
    await writeHistoryFile({ ...request(directory), files, durable: false })
    expect(files.log.filter((entry) => entry.startsWith('sync'))).toEqual([])
  })

  it('leaves nothing behind when it fails', async () => {
    const directory = temporaryDirectory()
    const files = new ObservedFileSystem()
    files.react = (call) => (call.kind === 'write' ? 'ENOSPC' : undefined)
    await expect(writeHistoryFile({ ...request(directory), files })).rejects.toMatchObject({
      message: 'could not write timeline history file "00000002.history": No space left on device',
      code: 'HISTORY_FILE_WRITE_FAILED',
    })
    expect(namesIn(directory)).toEqual([])
  })
})
