import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readBackup } from '../../src/prune/index.js'
import { testDirectory } from '../live/test-directory.js'

const LABEL = `START WAL LOCATION: 0/3000028 (file 000000020000000000000003)
CHECKPOINT LOCATION: 0/3000060
BACKUP METHOD: streamed
BACKUP FROM: primary
START TIME: 2026-03-01 12:00:00 UTC
LABEL: pg_basebackup base backup
`
const STOP = `STOP WAL LOCATION: 0/5000100 (file 000000020000000000000005)\n`
const range = (timeline: number, from: string, to: string) =>
  `{ "Timeline": ${timeline}, "Start-LSN": "${from}", "End-LSN": "${to}" }`
const manifest = (...ranges: string[]) => `{ "PostgreSQL-Backup-Manifest-Version": 2,
"System-Identifier": 7711909786767152021,
"Files": [
${Array.from({ length: 2000 }, (_, number) => `{ "Path": "base/1/${number}", "Size": 8192, "Last-Modified": "2026-03-01 12:00:00 GMT" }`).join(',\n')}
],
"WAL-Ranges": [
${ranges.join(',\n')}
],
"Manifest-Checksum": "0000"}
`

describe('readBackup', () => {
  it('reads labels, with or without a line for the timeline, and what the end of a backup leaves', async () => {
    const path = join(await testDirectory(), 'backup_label')
    await writeFile(path, LABEL)
    const expected = { name: path, start: 0x3000028n, end: null, timeline: 2, systemIdentifier: null }
    expect(await readBackup(path)).toEqual(expected)
    await writeFile(path, `${LABEL}START TIMELINE: 3\n`)
    expect(await readBackup(path)).toEqual({ ...expected, timeline: 3 })
    await writeFile(path, LABEL.replace('CHECKPOINT', `${STOP}CHECKPOINT`))
    expect(await readBackup(path)).toEqual({ ...expected, end: 0x5000100n })
  })

  it('reads a long manifest by its ends, over several timelines, and prefers it to the label', async () => {
    const folder = await testDirectory()
    await writeFile(join(folder, 'backup_label'), LABEL)
    expect(await readBackup(folder)).toMatchObject({ name: folder, start: 0x3000028n })
    await writeFile(
      join(folder, 'backup_manifest'),
      manifest(range(3, '0/4000000', '0/6000100'), range(2, '0/2000028', '0/4000000')),
    )
    expect(await readBackup(folder)).toEqual({
      name: folder,
      start: 0x2000028n,
      end: 0x6000100n,
      timeline: 2,
      systemIdentifier: 7711909786767152021n,
    })
  })

  it('says what is wrong', async () => {
    const folder = await testDirectory()
    const path = join(folder, 'backup_manifest')
    await expect(readBackup(folder)).rejects.toThrow('neither a backup_manifest nor a backup_label')
    await expect(readBackup(path)).rejects.toThrow('No such file or directory')
    await writeFile(path, manifest())
    await expect(readBackup(path)).rejects.toThrow('its WAL-Ranges are empty')
    await writeFile(path, LABEL)
    await expect(readBackup(path)).rejects.toMatchObject({ code: 'PRUNE_BACKUP' })
    await writeFile(join(folder, 'x'), 'x')
    await expect(readBackup(join(folder, 'x'))).rejects.toThrow('it has no line START WAL LOCATION')
    await mkdir(join(folder, 'backup_label'))
    await expect(readBackup(join(folder, 'backup_label'))).rejects.toMatchObject({ code: 'PRUNE_BACKUP' })
  })
})
