/** A server with a base backup taken before anything that counts, and what becomes of both in a disaster. */
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { CommitLoad } from '../../scripts/commit-load.js'
import { PostgresServer, type Settings } from '../../scripts/postgres-server.js'
import { waitFor } from '../../scripts/wait-for.js'
import { launchTestServer, MAJOR } from '../live/test-server.js'

const RECOVERY_TIMEOUT_MS = 60_000

export interface ClusterWithBase {
  readonly server: PostgresServer
  /** A cold copy of the data directory. */
  readonly base: string
}

/** @param settings in force once the copy is made, and not in it */
export async function launchWithBase(settings: Settings = {}): Promise<ClusterWithBase> {
  const server = await launchTestServer()
  onTestFinished(() => server[Symbol.asyncDispose]())
  await CommitLoad.prepare(server)
  await server.stop()
  const folder = await mkdtemp(join(tmpdir(), 'walship-base-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  await chmod(folder, 0o755)
  const base = join(folder, 'data')
  await server.coldCopy(base)
  await server.configure(settings)
  await server.start()
  return { server, base }
}

/** The server and its disk are gone. */
export async function destroy(server: PostgresServer): Promise<void> {
  await server.kill()
  await rm(server.dataDirectory, { recursive: true, force: true })
}

/** A server on the base backup that will recover with this restore_command. It is not started. */
export async function successorOf(base: string, restoreCommand: string): Promise<PostgresServer> {
  const successor = await PostgresServer.create({ major: MAJOR, dataDirectory: base })
  onTestFinished(() => successor[Symbol.asyncDispose]())
  const latest: Settings = MAJOR >= 12 ? {} : { recovery_target_timeline: 'latest' }
  await successor.recover({ restore_command: restoreCommand, ...latest }, 'promotion')
  return successor
}

export async function promoted(server: PostgresServer): Promise<void> {
  await waitFor(
    'the end of recovery',
    async () => (await server.value('SELECT pg_is_in_recovery()')) === 'false',
    RECOVERY_TIMEOUT_MS,
  )
}

export async function moreCommits(load: CommitLoad, count: number): Promise<void> {
  const goal = load.acknowledged + count
  await waitFor(`${count} more commits`, () => load.acknowledged >= goal, RECOVERY_TIMEOUT_MS)
}
