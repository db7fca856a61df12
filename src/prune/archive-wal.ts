import { INDEX_FORMAT } from '../records/index.js'
import type { ArchiveRemoval, StoredWal, WalArchive } from '../store/index.js'
import { parseSegmentFileName } from '../wal/index.js'
import type {
  LockedUntil,
  PrunableFile,
  PrunableGap,
  PrunableInventory,
  PrunableWal,
} from './prunable-wal.js'

/** Of this and of older programs. */
const INDEX_FORMATS = Array.from({ length: INDEX_FORMAT }, (_, index) => index + 1)

/** WAL in an archive. */
export class ArchiveWal implements PrunableWal {
  readonly name: string
  readonly #archive: WalArchive
  readonly #removal: ArchiveRemoval
  readonly #stored = new WeakMap<PrunableFile, StoredWal>()

  /** @throws WalArchiveError `ARCHIVE_NO_IDENTITY` */
  constructor(archive: WalArchive) {
    this.name = archive.name
    this.#archive = archive
    this.#removal = archive.removal()
  }

  async inventory(signal: AbortSignal): Promise<PrunableInventory> {
    const { segmentSize, systemIdentifier } = this.#archive.identity!
    const { wal, histories, gaps } = await this.#removal.inventory({ signal })
    const files: PrunableFile[] = []
    for (const stored of wal) {
      const { name, isTail, size: storedBytes, storedAt } = stored
      const parsed = parseSegmentFileName(name.slice(0, 24), segmentSize)
      if (parsed === null) continue
      const kind = isTail ? 'tail' : name.length === 24 ? 'segment' : 'partial'
      const file: PrunableFile = { name, ...parsed, kind, storedBytes, storedAt }
      this.#stored.set(file, stored)
      files.push(file)
    }
    // A receiver leaves no `.backup` files: they never come over a stream.
    return { segmentSize, systemIdentifier: BigInt(systemIdentifier), files, histories, gaps, backups: [] }
  }

  readHistory(timeline: number, signal: AbortSignal): Promise<Buffer | null> {
    return this.#archive.getHistory(timeline, { signal })
  }

  async lockOf(what: PrunableFile | PrunableGap, signal: AbortSignal): Promise<LockedUntil | null> {
    if (!('kind' in what)) return this.#removal.lockOf(what, { signal })
    // Parts of an open segment are never locked.
    return what.kind === 'tail' ? null : this.#removal.lockOf(this.#stored.get(what)!, { signal })
  }

  removeIndexes(files: readonly PrunableFile[], signal: AbortSignal): Promise<void> {
    const names = files.filter(({ kind }) => kind === 'segment').map(({ name }) => name)
    return this.#removal.removeIndexes(names, INDEX_FORMATS, { signal })
  }

  remove(file: PrunableFile, signal: AbortSignal): Promise<void> {
    return this.#removal.remove(this.#stored.get(file)!, { signal })
  }

  removeGap(gap: PrunableGap, signal: AbortSignal): Promise<void> {
    return this.#removal.removeGap(gap, { signal })
  }
}
