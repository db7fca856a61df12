import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { type RestoreAnswer, restoreFile } from '../../src/restore/index.js'
import { KnownArchive, SEGMENT_SIZE, segmentBytes, segmentNamed } from './known-segments.js'
import { testFolder } from './test-folder.js'

const NAME = segmentNamed(1)
const WHOLE = segmentBytes(NAME)

let archive: KnownArchive
let folder: string
let target: string
let cacheFolder: string

beforeEach(() => {
  archive = new KnownArchive()
  folder = join(testFolder(), 'pg_wal')
  mkdirSync(folder)
  cacheFolder = testFolder()
  target = join(folder, 'RECOVERYXLOG')
})

function restore(name: string): Promise<RestoreAnswer> {
  return restoreFile({ name, target, archive, workingDirectory: '/', cacheDirectory: cacheFolder })
}

function paddedTo(end: number): Buffer {
  return Buffer.concat([WHOLE.subarray(0, end), Buffer.alloc(SEGMENT_SIZE - end)])
}

/** No answer must ever come with a file unless it is `restored` or `open`, and nothing else may stay behind. */
function expectNothing(): void {
  expect(readdirSync(folder)).toEqual([])
}

describe('a finished segment', () => {
  it('is restored whole, with mode 0600 and nothing beside it', async () => {
    archive.segments.set(NAME, WHOLE)
    expect(await restore(NAME)).toBe('restored')
    expect(readFileSync(target).equals(WHOLE)).toBe(true)
    expect(statSync(target).mode & 0o777).toBe(0o600)
    expect(readdirSync(folder)).toEqual(['RECOVERYXLOG'])
    expect(archive.asked).toEqual([`segment ${NAME}`])
  })

  it('replaces what is at the target', async () => {
    archive.segments.set(NAME, WHOLE)
    writeFileSync(target, 'old')
    expect(await restore(NAME)).toBe('restored')
    expect(readFileSync(target).equals(WHOLE)).toBe(true)
  })

  it('that is finished between the looks is found at the second', async () => {
    archive.before = (question) => {
      if (question === 'list') archive.segments.set(NAME, WHOLE)
    }
    expect(await restore(NAME)).toBe('restored')
    expect(readFileSync(target).equals(WHOLE)).toBe(true)
  })

  it.each([
    ['short', () => WHOLE.subarray(0, 1000)],
    ['of another cluster', () => segmentBytes(NAME, 5n)],
    ['another one', () => segmentBytes(segmentNamed(2))],
    ['no WAL', () => Buffer.alloc(SEGMENT_SIZE)],
  ])('that is %s is never served', async (_what, bytes) => {
    archive.segments.set(NAME, bytes())
    await expect(restore(NAME)).rejects.toMatchObject({ code: 'RESTORE_CORRUPT' })
    expectNothing()
  })

  it('leaves an abandoned temporary file of an earlier call no chance to pile up', async () => {
    const [old, young] = ['RECOVERYXLOG.walship-1.tmp', 'RECOVERYXLOG.walship-2.tmp']
    for (const name of [old, young]) writeFileSync(join(folder, name), 'x')
    utimesSync(join(folder, old), 1, 1)
    archive.segments.set(NAME, WHOLE)
    await restore(NAME)
    expect(readdirSync(folder).sort()).toEqual(['RECOVERYXLOG', young])
  })
})

describe('what is not there', () => {
  it.each([NAME, `${NAME}.partial`, '00000002.history', `${NAME}.00000028.backup`])(
    '%s is missing',
    async (name) => {
      expect(await restore(name)).toBe('missing')
      expectNothing()
    },
  )

  it('cannot be told for a name that is no WAL file: the two arguments may have been swapped', async () => {
    await expect(restore('pg_wal/RECOVERYXLOG')).rejects.toMatchObject({ code: 'RESTORE_NOT_A_WAL_FILE' })
  })

  it('cannot be told for a name that clusters with this segment size do not use', async () => {
    await expect(restore('000000010000000000001000')).rejects.toMatchObject({ code: 'RESTORE_OTHER_CLUSTER' })
  })

  it('cannot be told where there is no archive', async () => {
    archive.identity = null
    for (const name of [NAME, '00000002.history', `${NAME}.00000028.backup`])
      await expect(restore(name)).rejects.toMatchObject({ code: 'RESTORE_NO_ARCHIVE' })
  })

  it('cannot be told when the control file cannot be read', async () => {
    archive.segments.set(NAME, WHOLE)
    mkdirSync(join(folder, '../global'))
    writeFileSync(join(folder, '../global/pg_control'), 'short')
    await expect(restore(NAME)).rejects.toMatchObject({ code: 'RESTORE_CONTROL_FILE' })
    expectNothing()
  })

  it('cannot be told from the archive of another cluster', async () => {
    archive.segments.set(NAME, WHOLE)
    mkdirSync(join(folder, '../global'))
    writeFileSync(join(folder, '../global/pg_control'), new Uint8Array(new BigUint64Array([5n]).buffer))
    await expect(restore(NAME)).rejects.toMatchObject({ code: 'RESTORE_OTHER_CLUSTER' })
    expectNothing()
  })
})

describe('other files', () => {
  it('a history file is restored', async () => {
    archive.histories.set(2, Buffer.from('1\t0/1000000\tno recovery target specified\n'))
    expect(await restore('00000002.history')).toBe('restored')
    expect(readFileSync(target, 'utf8')).toContain('no recovery target')
  })

  it('a partial is restored under its own name, and for the segment when there is nothing better', async () => {
    // As it is stored: cut where the timeline was left.
    archive.segments.set(`${NAME}.partial`, WHOLE.subarray(0, 5000))
    expect(await restore(`${NAME}.partial`)).toBe('restored')
    expect(await restore(NAME)).toBe('open')
    expect(readFileSync(target).equals(paddedTo(5000))).toBe(true)
    archive.segments.set(NAME, WHOLE)
    expect(await restore(NAME)).toBe('restored')
    expect(readFileSync(target).equals(WHOLE)).toBe(true)
  })
})

describe('the open segment', () => {
  beforeEach(() => {
    archive.putPart(WHOLE, 0, 4000)
    archive.putPart(WHOLE, 4000, 9000)
  })

  function downloaded(): string[] {
    return archive.asked.splice(0).filter((question) => question.startsWith('part'))
  }

  it('is joined from its parts and padded with zeros', async () => {
    expect(await restore(NAME)).toBe('open')
    expect(readFileSync(target).equals(paddedTo(9000))).toBe(true)
  })

  it('costs only the new parts the next time', async () => {
    await restore(NAME)
    expect(downloaded()).toEqual(['part 0-4000', 'part 4000-9000'])
    archive.putPart(WHOLE, 9000, 9001)
    await restore(NAME)
    expect(downloaded()).toEqual(['part 9000-9001'])
    expect(readFileSync(target).equals(paddedTo(9001))).toBe(true)
    await restore(NAME)
    expect(downloaded()).toEqual([])
    expect(readFileSync(target).equals(paddedTo(9001))).toBe(true)
  })

  it('is downloaded anew when the store no longer has what is cached', async () => {
    await restore(NAME)
    archive.tail.clear()
    archive.putPart(WHOLE, 0, 9500)
    downloaded()
    await restore(NAME)
    expect(downloaded()).toEqual(['part 0-9500'])
    expect(readFileSync(target).equals(paddedTo(9500))).toBe(true)
    archive.tail.clear()
    expect(await restore(NAME)).toBe('missing')
  })

  it.each(['.tail', '.tail.json'])('is downloaded anew when %s in the cache is damaged', async (suffix) => {
    await restore(NAME)
    const path = join(cacheFolder, NAME + suffix)
    const bytes = readFileSync(path)
    bytes[20]! ^= 1
    writeFileSync(path, bytes)
    downloaded()
    await restore(NAME)
    expect(downloaded()).toEqual(['part 0-4000', 'part 4000-9000'])
    expect(readFileSync(target).equals(paddedTo(9000))).toBe(true)
  })

  it('is served up to a hole that stays', async () => {
    archive.putPart(WHOLE, 9100, 9200)
    expect(await restore(NAME)).toBe('open')
    expect(readFileSync(target).equals(paddedTo(9000))).toBe(true)
  })

  it('is missing when its beginning never arrived', async () => {
    archive.tail.delete('0-4000')
    expect(await restore(NAME)).toBe('missing')
    expectNothing()
  })

  it('is read again when parts are replaced while it is read', async () => {
    archive.before = (question) => {
      if (question !== 'part 4000-9000') return
      archive.tail.clear()
      archive.putPart(WHOLE, 0, 9300)
    }
    expect(await restore(NAME)).toBe('open')
    expect(readFileSync(target).equals(paddedTo(9300))).toBe(true)
  })

  it('is the finished segment when it is finished while it is read', async () => {
    archive.before = (question) => {
      if (question !== 'part 4000-9000') return
      archive.tail.clear()
      archive.segments.set(NAME, WHOLE)
    }
    expect(await restore(NAME)).toBe('restored')
    expect(readFileSync(target).equals(WHOLE)).toBe(true)
  })

  it('is not served when overlapping parts disagree', async () => {
    archive.tail.set('3000-9500', Buffer.alloc(6500))
    await expect(restore(NAME)).rejects.toMatchObject({ code: 'RESTORE_CORRUPT' })
    expectNothing()
  })

  it('is not served when a part is shorter than its name says', async () => {
    archive.tail.set('4000-9000', WHOLE.subarray(4000, 8000))
    await expect(restore(NAME)).rejects.toMatchObject({ code: 'RESTORE_CORRUPT' })
    expectNothing()
  })
})

describe('a store that fails', () => {
  const QUESTIONS = [`segment ${NAME}`, 'list', 'part 0-4000', 'part 4000-9000']

  it.each(QUESTIONS)('at "%s" is never an answer', async (failing) => {
    archive.putPart(WHOLE, 0, 4000)
    archive.putPart(WHOLE, 4000, 9000)
    archive.before = (question) => {
      if (question === failing) throw new Error('the store is down')
    }
    await expect(restore(NAME)).rejects.toThrow('the store is down')
    expectNothing()
  })

  it('at the last of all looks is never an answer', async () => {
    const looks = [`segment ${NAME}`, 'list', `segment ${NAME}`, `segment ${NAME}.partial`]
    for (let count = 1; count <= looks.length; count++) {
      archive.asked.length = 0
      archive.before = () => {
        if (archive.asked.length === count) throw new Error('the store is down')
      }
      await expect(restore(NAME)).rejects.toThrow('the store is down')
      expect(archive.asked).toEqual(looks.slice(0, count))
    }
    expectNothing()
  })

  it('for a history file is never an answer', async () => {
    archive.before = () => {
      throw new Error('the store is down')
    }
    await expect(restore('00000002.history')).rejects.toThrow('the store is down')
    expect(existsSync(target)).toBe(false)
  })

  it('and a target that cannot be written is an error too', async () => {
    archive.segments.set(NAME, WHOLE)
    target = join(folder, 'nowhere/RECOVERYXLOG')
    await expect(restore(NAME)).rejects.toMatchObject({ code: 'RESTORE_TARGET' })
    expectNothing()
  })
})
