import { access, readdir, readFile, stat, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { errnoOf, errnoText } from '../base/index.js'
import { historyTimeline, listWalFiles, readSystemIdentifier } from '../segments/index.js'
import { historyFileName } from '../wal/index.js'
import { backupFromLabel } from './backup-text.js'
import { PruneError } from './errors.js'
import type { KnownBackup, PrunableFile, PrunableInventory, PrunableWal } from './prunable-wal.js'

/** What the end of a base backup leaves among the WAL that archive_command takes. */
const BACKUP_NAME = /^[0-9A-F]{24}\.[0-9A-F]{8}\.backup$/

export interface DirectoryWalOptions {
  readonly path: string
  /** Also of one that is compressed. */
  readHistory(timeline: number, signal: AbortSignal): Promise<Buffer | null>
}

/** WAL in a directory that a receiver, or an archive_command, has filled. */
export class DirectoryWal implements PrunableWal {
  readonly name: string
  readonly readHistory: DirectoryWalOptions['readHistory']
  readonly #path: string

  constructor({ path, readHistory }: DirectoryWalOptions) {
    this.name = `directory "${path}"`
    this.#path = path
    this.readHistory = readHistory
  }

  /** @throws PruneError `PRUNE_NO_WAL`, `PRUNE_RULE` for a server's own pg_wal */
  async inventory(): Promise<PrunableInventory> {
    await this.#refuseServer()
    const identity = await readSystemIdentifier(this.#path)
    if (identity === null)
      throw new PruneError(`there is no WAL in directory "${this.#path}"`, {
        code: 'PRUNE_NO_WAL',
        hint: 'name the directory that a receiver writes to',
      })
    const { segmentSize, systemIdentifier } = identity
    const files: PrunableFile[] = []
    for (const { name, timeline, segment, partial } of await listWalFiles(this.#path, segmentSize)) {
      const found = await this.#look(name)
      if (found !== null)
        files.push({ name, timeline, segment, kind: partial ? 'partial' : 'segment', ...found })
    }
    const names = await readdir(this.#path)
    const histories = names.flatMap((name) => {
      const timeline = historyTimeline(name)
      return timeline === null || name < historyFileName(2) ? [] : [timeline]
    })
    const backups: KnownBackup[] = []
    for (const name of names.filter((each) => BACKUP_NAME.test(each)))
      backups.push(backupFromLabel(await readFile(join(this.#path, name), 'utf8'), name))
    return { segmentSize, systemIdentifier, files, histories: [...new Set(histories)], gaps: [], backups }
  }

  async lockOf(): Promise<null> {
    return null
  }

  async removeIndexes(): Promise<void> {}

  /** @throws PruneError `PRUNE_REMOVE` */
  async remove({ name }: PrunableFile): Promise<void> {
    try {
      await unlink(join(this.#path, name))
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return
      throw new PruneError(`could not remove file "${join(this.#path, name)}": ${errnoText(error)}`, {
        code: 'PRUNE_REMOVE',
        hint: 'the user that runs this program must be able to write to the directory',
        cause: error,
      })
    }
  }

  async removeGap(): Promise<void> {}

  /** Its own WAL is what a server starts from after a crash. */
  async #refuseServer(): Promise<void> {
    for (const sign of ['archive_status', '../global/pg_control']) {
      const isThere = await access(join(this.#path, sign)).then(
        () => true,
        () => false,
      )
      if (!isThere) continue
      throw new PruneError(`directory "${this.#path}" is the pg_wal of a server`, {
        code: 'PRUNE_RULE',
        hint: 'a server removes its own WAL; name the directory that a receiver writes to',
      })
    }
  }

  /** Null when it was removed in the meantime. */
  async #look(name: string): Promise<Pick<PrunableFile, 'storedBytes' | 'storedAt'> | null> {
    try {
      const { size, mtime } = await stat(join(this.#path, name))
      return { storedBytes: size, storedAt: mtime }
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return null
      throw error
    }
  }
}
