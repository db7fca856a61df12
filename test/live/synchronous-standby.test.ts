/** The receiver as the standby that commits wait for: what a client was told is on its disk. */
import { copyFile, mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { CommitLoad } from '../../scripts/commit-load.js'
import { unprivilegedUser } from '../../scripts/postgres-binaries.js'
import { giveTo } from '../../scripts/postgres-copies.js'
import { PostgresServer } from '../../scripts/postgres-server.js'
import { waitFor } from '../../scripts/wait-for.js'
import { expectSameWal } from './received-wal.js'
import { ReceiverProcess } from './receiver-process.js'
import { testDirectory } from './test-directory.js'
import { launchTestServer, MAJOR, SEGMENT_SIZE, slotLsn } from './test-server.js'

const CLIENT_COUNT = 4
const KILL_COUNT = 4

describe(`walship as the synchronous standby of PostgreSQL ${MAJOR}`, () => {
  let server: PostgresServer
  let folder: string
  let directory: string

  beforeEach(async () => {
    folder = await testDirectory()
    directory = join(folder, 'wal')
    await mkdir(directory)
    server = await launchTestServer()
    await CommitLoad.prepare(server)
    await server.query(`SELECT pg_create_physical_replication_slot('standby', true)`)
    await server.stop()
    await server.coldCopy(join(folder, 'cold-copy'))
    await server.configure({ synchronous_standby_names: 'walship_standby' })
    await server.start()
    return () => server[Symbol.asyncDispose]()
  })

  function startReceiver(program: 'dropIn' | 'walship'): ReceiverProcess {
    const connection = `${server.dsn} application_name=walship_standby`
    return ReceiverProcess[program](['-D', directory, '-S', 'standby', '--synchronous', '-d', connection])
  }

  async function moreCommits(load: CommitLoad, count: number): Promise<void> {
    const goal = load.acknowledged + count
    await waitFor(`${count} more commits`, () => load.acknowledged >= goal)
  }

  /** A new server from the old copy and what was received, the open partial under its final name. */
  async function recoverFromReceived(): Promise<PostgresServer> {
    const restore = join(folder, 'restore')
    await mkdir(restore)
    for (const name of await readdir(directory)) {
      if (name.startsWith('.')) continue
      await copyFile(join(directory, name), join(restore, name.replace(/\.partial$/, '')))
    }
    await giveTo(unprivilegedUser(), folder)
    const successor = await PostgresServer.create({ major: MAJOR, dataDirectory: join(folder, 'cold-copy') })
    try {
      await successor.recover({ restore_command: `cp "${restore}/%f" "%p"` }, 'promotion')
      await successor.start()
      await waitFor('the end of recovery', async () => {
        return (await successor.value('SELECT pg_is_in_recovery()')) === 'false'
      })
      return successor
    } catch (error) {
      await successor[Symbol.asyncDispose]()
      throw error
    }
  }

  it.each(['dropIn', 'walship'] as const)(
    'commits return, and each one that did is there after receiver and server were killed (%s)',
    async (program) => {
      let receiver = startReceiver(program)
      const load = await CommitLoad.start(server, CLIENT_COUNT)
      try {
        await moreCommits(load, 100)
        expect(await server.value('SELECT sync_state FROM pg_stat_replication')).toBe('sync')
        for (let kill = 0; kill < KILL_COUNT; kill++) {
          await moreCommits(load, Math.ceil(Math.random() * 300))
          await receiver.stop('SIGKILL')
          const to = await slotLsn(server, 'standby')
          await expectSameWal(directory, server.walDirectory, { to, segmentSize: SEGMENT_SIZE })
          receiver = startReceiver(program)
          await moreCommits(load, 1)
        }
        await moreCommits(load, 100)
        // While both are in mid-commit; what was on its way to a client may or may not be there.
        await Promise.all([server.kill(), receiver.stop('SIGKILL')])
      } finally {
        await receiver[Symbol.asyncDispose]()
        await server.kill()
        await load.stop()
      }
      await using successor = await recoverFromReceived()
      expect(load.acknowledged).toBeGreaterThan(200)
      expect((await load.compareWith(successor)).missing).toBe(0)
    },
  )

  it('commits wait while it is away, and return when it is back', async () => {
    const receiver = startReceiver('walship')
    const load = await CommitLoad.start(server, CLIENT_COUNT)
    try {
      await moreCommits(load, 10)
      await receiver.stop('SIGTERM')
      await waitFor('every client to wait', async () => {
        const waiting = `SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'`
        return Number(await server.value(waiting)) === CLIENT_COUNT
      })
      const acknowledged = load.acknowledged
      await using again = startReceiver('walship')
      await waitFor('every client to go on', () => load.acknowledged >= acknowledged + CLIENT_COUNT)
      await load.stop()
      expect((await again.stop('SIGTERM')).status).toBe(0)
    } finally {
      await receiver[Symbol.asyncDispose]()
      await server.kill()
    }
  })
})
