/** Mistakes that would lose acknowledged bytes, each as a change of one place in the sources. */

export interface Mutation {
  readonly what: string
  readonly file: string
  /** Stands in the file exactly once. */
  readonly from: string
  readonly to: string
  /** What has to notice it; by default the power cuts on the modelled disk. */
  readonly noticedBy?: readonly string[]
}

/** Runs of the campaign, up to the first that finds something. */
export const SHORT_CAMPAIGN = [
  'test/campaign/main.ts',
  '--only',
  'power-model',
  '--runs',
  '60',
  '--fail-fast',
]

/** Through the built program, a real server and a real store. */
const STORE_CAMPAIGN = ['test/campaign/main.ts', '--only', 'store', '--runs', '3', '--fail-fast']

/** Rare in the campaign, so the test that was made of it is asked. */
const directed = (file: string) => ['node_modules/vitest/vitest.mjs', 'run', file]

export const MUTATIONS: readonly Mutation[] = [
  {
    what: 'no fsync of an uncompressed segment',
    file: 'src/segments/plain-segment-file.ts',
    from: 'await this.#descriptors.file.datasync()',
    to: '',
  },
  {
    what: 'no fsync of a compressed segment',
    file: 'src/segments/compressed-segment-file.ts',
    from: 'await this.#file.datasync()',
    to: '',
  },
  {
    what: 'writes that should be durable are not (no O_DSYNC)',
    file: 'src/segments/plain-segment-file.ts',
    from: 'constants.O_WRONLY | WRITE_DURABLY_FLAG',
    to: 'constants.O_WRONLY',
  },
  {
    what: 'a failed fsync is passed over',
    file: 'src/segments/plain-segment-file.ts',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it stands so in the source
    from: '      throw syncError(`${this.#segmentName}.partial`, error)\n    }\n    this.#unsynced = false',
    to: '    }\n    this.#unsynced = false',
  },
  {
    what: 'no fsync of the directory after the final name is given',
    file: 'src/segments/wal-directory.ts',
    from: 'this.finalNameOf(segment))\n    await this.#sync()',
    to: 'this.finalNameOf(segment))',
  },
  {
    what: 'no fsync of the directory after the partial name is given',
    file: 'src/segments/wal-directory.ts',
    from: 'await this.#sync()\n    segment.nameDurable = true',
    to: 'segment.nameDurable = true',
  },
  {
    what: 'no fsync of the directory at a start',
    file: 'src/segments/wal-directory.ts',
    from: 'await opened.#sync()',
    to: '',
    noticedBy: directed('test/segments/killed-then-cut.test.ts'),
  },
  {
    what: 'the final name is given before the fsync',
    file: 'src/segments/wal-writer.ts',
    from: '      if (this.#context.durable) await segment.file.sync()\n    } finally {',
    to: '      await this.#directory.finalize(segment)\n      if (this.#context.durable) await segment.file.sync()\n      if (this.#context.durable) return\n    } finally {',
  },
  {
    what: 'the next segment shows its name before the one before is final',
    file: 'src/segments/wal-writer.ts',
    from: 'predecessorOpen: this.#finishing !== null',
    to: 'predecessorOpen: false',
  },
  {
    what: 'what was written is reported as flushed',
    file: 'src/receive/ack-policy.ts',
    from: '  writeLsn: written,\n  flushLsn: flushed,',
    to: '  writeLsn: written,\n  flushLsn: written,',
  },
  {
    what: 'acknowledged before the fsync',
    file: 'src/segments/wal-writer.ts',
    from: '    if (sync) await this.#sync()\n',
    to: '    if (sync) {\n      void this.#sync().catch(() => {})\n      this.#flushed = this.#written\n    }\n',
  },
  {
    what: 'acknowledged before a full segment is final',
    file: 'src/segments/wal-writer.ts',
    from: '    const end = this.#written\n    this.#current = null',
    to: '    const end = this.#written\n    this.#flushed = end\n    this.#current = null',
  },
  {
    what: 'a byte is skipped',
    file: 'src/segments/plain-segment-file.ts',
    from: 'await writeFully(atOnce ? durable : file, buffers, offset)',
    to: 'await writeFully(atOnce ? durable : file, buffers, offset > 400_000 ? offset + 1 : offset)',
  },
  {
    what: 'a short write is taken for a whole one',
    file: 'src/base/file-system.ts',
    from: '    missing -= count\n',
    to: '    missing = 0\n',
  },
  {
    what: 'streaming starts again behind a partial',
    file: 'src/segments/scan.ts',
    from: 'startAt(file, 0n, segmentSize)',
    to: 'startAt(file, 1n, segmentSize)',
  },
  {
    what: 'a compressed partial is begun anew in its place, as pg_receivewal does',
    file: 'src/segments/open-segment.ts',
    from: 'const hidden = older !== null || request.predecessorOpen',
    to: 'const hidden = request.predecessorOpen',
  },
  {
    what: 'a compressed partial is replaced by one that holds less',
    file: 'src/segments/wal-writer.ts',
    from: 'if (segment.filled < (segment.older?.size ?? 0)) return',
    to: '',
  },
  {
    what: 'garbage in a compressed partial counts as content',
    file: 'src/segments/wal-writer.ts',
    from: 'await segment.older.compare(part)',
    to: '',
    noticedBy: directed('test/segments/older-partial.test.ts'),
  },
  {
    what: 'a history file is renamed before its fsync',
    file: 'src/base/durable-file.ts',
    from: 'if (durable) await file.sync()',
    to: '',
  },
  {
    what: 'what is only in the directory is reported as archived',
    file: 'src/receive/ack-policy.ts',
    from: 'flushLsn: known ? lsnMin(written, mark.lsn) : INVALID_LSN',
    to: 'flushLsn: known ? written : INVALID_LSN',
    noticedBy: STORE_CAMPAIGN,
  },
]

/** Which of them need the built program. */
export function needsBuild(mutation: Mutation): boolean {
  return mutation.noticedBy === STORE_CAMPAIGN
}
