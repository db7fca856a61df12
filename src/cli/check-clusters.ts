import { randomUUID } from 'node:crypto'
import { open, statfs, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { errnoText, WalshipError } from '../base/index.js'
import { PhysicalReplicationConnection } from '../pg/index.js'
import { readSystemIdentifier } from '../segments/index.js'
import { bytesText } from '../status/index.js'
import { openStore, parseStoreOptions, WalArchive } from '../store/index.js'
import type { ClusterCommand } from './cluster-command.js'
import { connectionArguments } from './connection-arguments.js'
import { storeCompression } from './fetch-store.js'
import type { ProgramHost } from './program-host.js'
import { checkDirectory } from './receive-settings.js'
import { redactSecrets } from './redact.js'

/** What was found of one thing. */
interface Finding {
  readonly what: 'directory' | 'server' | 'slot' | 'store'
  readonly isGood: boolean
  readonly text: string
  readonly hint?: string
}

/** For all that is asked of one server or store. */
const LIMIT_MS = 30_000

/**
 * `walship receive --check`: tries out what the options lead to, for each cluster, and says what was found. Nothing
 * is received, made or changed but a file of no bytes that is removed at once.
 *
 * @returns whether all is good
 */
export async function checkClusters(
  clusters: readonly ClusterCommand[],
  host: ProgramHost,
  programName: string,
): Promise<boolean> {
  let isGood = true
  for (const command of clusters) {
    if (command.name !== null) host.stdout.write(`${command.name}\n`)
    for await (const finding of check(command, host, programName)) {
      host.stdout.write(render(finding))
      isGood &&= finding.isGood
    }
  }
  host.stdout.write(
    isGood
      ? 'The options are right, and all that they lead to was reached. Not tried: writing to the store, and streaming.\n'
      : 'The options can be read, but not all that they lead to is as it should be.\n',
  )
  return isGood
}

async function* check(
  command: ClusterCommand,
  host: ProgramHost,
  programName: string,
): AsyncGenerator<Finding> {
  const { values, shipping } = command
  const known = new Map<string, string>()
  yield await attempt('directory', () => tryDirectory(values.directory!, known))
  yield* checkServer(command, host, programName, known)
  if (shipping.store !== undefined) yield await attempt('store', () => checkStore(command, host, known))
}

async function tryDirectory(directory: string, known: Map<string, string>): Promise<string> {
  await checkDirectory(directory)
  const probe = join(directory, `.walship-check-${randomUUID()}`)
  try {
    await (await open(probe, 'wx', 0o600)).close()
    await unlink(probe)
  } catch (error) {
    throw new WalshipError(`could not make a file in directory "${directory}": ${errnoText(error)}`, {
      code: 'CLI_DIRECTORY',
      hint: 'the user that runs this program must be able to write there',
      cause: error,
    })
  }
  const { bavail, bsize } = await statfs(directory)
  const identity = await readSystemIdentifier(directory)
  if (identity !== null) known.set('directory', String(identity.systemIdentifier))
  const whose = identity === null ? 'empty' : `WAL of system ${identity.systemIdentifier}`
  return `"${directory}" can be written, ${bytesText(bavail * bsize)} free, ${whose}`
}

async function* checkServer(
  { values, shipping }: ClusterCommand,
  host: ProgramHost,
  programName: string,
  known: Map<string, string>,
): AsyncGenerator<Finding> {
  const limit = new AbortController()
  const timer = setTimeout(() => limit.abort(), LIMIT_MS)
  let connection: PhysicalReplicationConnection | null = null
  try {
    yield await attempt('server', async () => {
      const options = await connectionArguments(values, host, programName)
      connection = await PhysicalReplicationConnection.connect({ ...options, signal: limit.signal })
      const { systemId, timeline } = await connection.identifySystem({ signal: limit.signal })
      known.set('server', systemId)
      refuseOther(known, 'directory', 'the directory holds WAL')
      const version = connection.parameters.get('server_version') ?? 'of unknown version'
      return `PostgreSQL ${version} lets us replicate, system ${systemId}, timeline ${timeline}`
    })
    const opened = connection as PhysicalReplicationConnection | null
    const { slot } = values
    if (opened === null || slot === undefined) return
    yield await attempt('slot', async () => {
      if (opened.serverVersion < 150_000) return `"${slot}" is not looked at before server 15`
      const found = await opened.readReplicationSlot(slot, { signal: limit.signal })
      if (found !== null) return `"${slot}" is there`
      if (shipping.ensureSlot) return `"${slot}" is not there yet, and will be made`
      throw new WalshipError(`there is no physical slot "${slot}"`, {
        code: 'CLI_CHECK_SLOT',
        hint: 'make it by walship slot create, or let --ensure-slot do so',
      })
    })
  } finally {
    clearTimeout(timer)
    await (connection as PhysicalReplicationConnection | null)?.close()
  }
}

async function checkStore(
  { shipping }: ClusterCommand,
  host: ProgramHost,
  known: Map<string, string>,
): Promise<string> {
  const limit = new AbortController()
  const timer = setTimeout(() => limit.abort(), LIMIT_MS)
  const store = await openStore(shipping.store!, parseStoreOptions(shipping.values, host.environment))
  try {
    const compression = storeCompression(shipping.values)
    const { identity } = await WalArchive.open(store, { compression, readOnly: true, signal: limit.signal })
    if (identity === null) return `${store.name} answers, and holds no archive yet`
    known.set('store', identity.systemIdentifier)
    refuseOther(known, 'store', 'the store holds the archive')
    return `${store.name} answers, and holds the archive of system ${identity.systemIdentifier}`
  } finally {
    clearTimeout(timer)
    await store.close()
  }
}

/** @throws WalshipError when a place belongs to another cluster than the server */
function refuseOther(known: ReadonlyMap<string, string>, place: string, holds: string): void {
  const [server, there] = [known.get('server'), known.get(place)]
  if (server === undefined || there === undefined || server === there) return
  throw new WalshipError(`${holds} of another cluster: system ${there}, but the server is system ${server}`, {
    code: 'CLI_CHECK_OTHER_CLUSTER',
    hint: 'check where the connection leads, or give this cluster a place of its own',
  })
}

async function attempt(what: Finding['what'], job: () => Promise<string>): Promise<Finding> {
  try {
    return { what, isGood: true, text: await job() }
  } catch (error) {
    const hint = error instanceof WalshipError ? error.hint : undefined
    return { what, isGood: false, text: redactSecrets(errnoText(error)), hint }
  }
}

function render({ what, isGood, text, hint }: Finding): string {
  const advice = hint === undefined || text.includes(hint) ? '' : `${' '.repeat(19)}${redactSecrets(hint)}\n`
  return `  ${what.padEnd(10)} ${isGood ? 'good  ' : 'FAILED'} ${text}\n${advice}`
}
