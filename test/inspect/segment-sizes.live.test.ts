/** What is located in the WAL of servers with segments of all sizes, against what the servers themselves say. */
import { describe, expect, it } from 'vitest'
import { workloadSettings } from '../../scripts/wal-workload.js'
import { listWal, locate } from '../../src/inspect/index.js'
import { openSource } from '../../src/verify/index.js'
import { parseLsn, parsePgTime } from '../../src/wal/index.js'
import { launchTestServer, MAJOR } from '../live/test-server.js'

const { signal } = new AbortController()

describe.each(MAJOR < 11 ? [16] : [1, 16, 64])(`PostgreSQL ${MAJOR} with segments of %d MB`, (sizeMb) => {
  it('tells the same commit times and positions as the server', async () => {
    const settings = { ...workloadSettings(MAJOR), timezone: 'UTC' }
    await using server = await launchTestServer({
      settings,
      ...(MAJOR >= 11 ? { segmentSizeMb: sizeMb } : {}),
    })
    await server.query('CREATE TABLE t (n int)')
    const commits: { xid: number; before: bigint; after: bigint; time: bigint }[] = []
    const position = async () => parseLsn(await server.value('SELECT pg_current_wal_insert_lsn()'))
    for (let number = 0; number < 6; number++) {
      const before = await position()
      const xid = await server.value(
        `WITH made AS (INSERT INTO t VALUES (1) RETURNING n) SELECT txid_current() FROM made`,
      )
      const after = await position()
      const time = parsePgTime(await server.value(`SELECT pg_xact_commit_timestamp('${xid}'::xid)::text`))!
      commits.push({ xid: Number(xid), before, after, time })
      await server.query(`SELECT pg_logical_emit_message(true, 'filler', repeat(md5('x'), 20000))`)
      if (number % 2 === 0) await server.query('SELECT pg_switch_wal()')
    }
    const end = parseLsn(await server.value('SELECT pg_current_wal_flush_lsn()'))
    await server.stop('immediate')

    await using source = await openSource({ kind: 'directory', path: server.walDirectory })
    for (const { xid, before, after, time } of commits) {
      const byXid = await locate(source, { kind: 'xid', xid }, { signal })
      const [found] = byXid.transactions
      expect([found!.xid, found!.time]).toEqual([xid, time])
      expect(found!.lsn).toBeGreaterThanOrEqual(before)
      expect(found!.endLsn).toBeLessThanOrEqual(after)
      // A moment right before the commit leads to the same record.
      const byTime = await locate(source, { kind: 'time', time: time - 1n }, { signal })
      expect(byTime.targets[0]).toMatchObject({ lsn: found!.lsn, inclusive: false, timeline: 1 })
    }
    const { windows, unusable } = await listWal(source, { segments: false, signal })
    expect([...unusable]).toEqual([])
    expect(windows[0]!.to).toBeGreaterThanOrEqual(end)
    expect(windows[0]!.lastCommitTime).toBeGreaterThanOrEqual(commits.at(-1)!.time)
  })
})
