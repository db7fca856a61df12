/**
 * From the user's side: commits that wait for the receiver are logged as they are acknowledged; then the primary and its
 * disk are gone, and a server recovers from what was received. Each logged commit has to be in it.
 */
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CommitLoad } from '../../scripts/commit-load.js'
import { unprivilegedUser } from '../../scripts/postgres-binaries.js'
import { giveTo } from '../../scripts/postgres-copies.js'
import { PostgresServer } from '../../scripts/postgres-server.js'
import { waitFor } from '../../scripts/wait-for.js'
import { readableContent } from '../segments/readable-content.js'
import { pick, randomNumbers } from '../support/random.js'
import type { Outcome } from './kinds.js'
import { Lab, type Program, randomSetup, SEGMENT_SIZE, startServer } from './lab.js'

const CLIENTS = 3
const WAIT_MS = 60_000

export async function userRun(seed: number, program: Program): Promise<Outcome> {
  const random = randomNumbers(seed)
  const setup = { ...randomSetup(random, program), synchronous: true }
  const folder = mkdtempSync(join(tmpdir(), 'walship-user-'))
  chmodSync(folder, 0o755)
  const base = join(folder, 'base')
  const server = await startServer(program)
  let lab: Lab | null = null
  let strikes = 0
  const problems: string[] = []
  try {
    await CommitLoad.prepare(server)
    await server.stop()
    await server.coldCopy(base)
    await server.start()
    lab = await Lab.open(server, setup, random)
    lab.startReceiver()
    await waitFor('a synchronous standby', async () => {
      await server.configure({ synchronous_standby_names: '*' })
      await server.reload()
      return (
        (await server.value("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'")) !== '0'
      )
    })
    const load = await CommitLoad.start(server, CLIENTS)
    for (let kill = 0; kill < 3; kill++) {
      const goal = load.acknowledged + 100 + Math.floor(200 * random())
      await waitFor('commits', () => load.acknowledged >= goal, WAIT_MS)
      await lab.stopReceiver(pick(random, ['SIGKILL', 'SIGKILL', 'SIGTERM'] as const))
      strikes++
      if (kill < 2) lab.startReceiver()
    }
    await server.kill()
    await load.stop()
    problems.push(...(await recover(server, base, folder, lab, load)))
  } catch (error) {
    problems.push(`the run itself failed: ${(error as Error).stack}`)
  } finally {
    await lab?.[Symbol.asyncDispose]()
    await server[Symbol.asyncDispose]()
    rmSync(folder, { recursive: true, force: true })
  }
  const { acknowledgedBytes = 0, lostBytes = 0 } = lab ?? {}
  return { strikes, acknowledgedBytes, lostBytes, problems, setup: JSON.stringify(setup) }
}

/** A server on the base, fed with the received files: partials too, filled up with zeros, as a DBA would do it. */
async function recover(
  lost: PostgresServer,
  base: string,
  folder: string,
  lab: Lab,
  load: CommitLoad,
): Promise<string[]> {
  const kept = join(folder, 'kept')
  copyFiles(lab.directory, kept)
  for (const name of readdirSync(kept).sort()) {
    const bytes = await readableContent(name, readFileSync(join(kept, name)), SEGMENT_SIZE)
    const plain = name.slice(0, 24)
    if (name === plain) continue
    // A complete file is better than the partial of the same segment.
    if (name.endsWith('.partial') && readdirSync(kept).includes(plain)) continue
    writeFileSync(join(kept, plain), Buffer.concat([bytes], SEGMENT_SIZE))
  }
  await giveTo(unprivilegedUser(), kept)
  const successor = await PostgresServer.create({
    major: lost.major,
    binaries: { major: lost.major, bin: lost.bin },
    dataDirectory: base,
  })
  try {
    await successor.recover({ restore_command: `cp "${kept}/%f" "%p"` }, 'promotion')
    // Not fewer than where the WAL is from.
    await successor.configure({ synchronous_standby_names: '', max_wal_senders: 20 })
    await successor.start()
    await waitFor(
      'the end of recovery',
      async () => (await successor.value('SELECT pg_is_in_recovery()')) === 'false',
      WAIT_MS,
    )
    const { present, missing } = await load.compareWith(successor)
    if (missing === 0 && present >= load.acknowledged) return []
    return [`${missing} of ${load.acknowledged} acknowledged commits are missing after the recovery`]
  } finally {
    await successor[Symbol.asyncDispose]()
  }
}

function copyFiles(from: string, to: string): void {
  rmSync(to, { recursive: true, force: true })
  mkdirSync(to)
  for (const name of readdirSync(from))
    if (!name.startsWith('.')) copyFileSync(join(from, name), join(to, name))
}
