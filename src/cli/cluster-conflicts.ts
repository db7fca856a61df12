import { realpath } from 'node:fs/promises'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { WalshipError } from '../base/index.js'
import { configuredServers } from '../pg/index.js'
import type { ClusterCommand } from './cluster-command.js'
import { CommandLineError } from './command-line-error.js'
import type { ReceiveOptionValues } from './receive-options.js'
import { redactSecrets } from './redact.js'

/** A thing that only one cluster may have. */
interface Claim {
  readonly cluster: string | null
  /** For comparing. */
  readonly key: string
  /** What both name, without secrets. */
  readonly what: string
  readonly why: string
}

/**
 * Refuses clusters that would write into each other's directory or archive, or take each other's slot. What only the
 * servers can tell (one server under two names) they tell: a slot admits one receiver, a directory and an
 * archive one system identifier.
 *
 * @throws CommandLineError which names both
 */
export async function refuseConflicts(
  clusters: readonly ClusterCommand[],
  environment: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  const claimed = new Map<string, Claim>()
  for (const command of clusters) {
    for (const claim of await claimsOf(command, environment)) {
      const other = claimed.get(claim.key)
      if (other !== undefined && other.cluster !== claim.cluster)
        throw new CommandLineError(
          `clusters "${other.cluster}" and "${claim.cluster}" have the same ${claim.what}`,
          { pointsAtHelp: false, hint: claim.why },
        )
      claimed.set(claim.key, claim)
    }
  }
}

async function claimsOf(
  { name: cluster, values, shipping }: ClusterCommand,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<Claim[]> {
  const claims: Claim[] = []
  const path = await realPath(values.directory!)
  claims.push({
    cluster,
    key: `directory ${path}`,
    what: `directory "${values.directory}"`,
    why: 'segments of different clusters have the same names: give each a directory of its own',
  })
  if (shipping.store !== undefined) {
    claims.push({
      cluster,
      key: `store ${await storeKey(shipping.store, shipping.values['s3-endpoint'])}`,
      what: 'store',
      why: 'segments of different clusters have the same names: give each a prefix of its own',
    })
  }
  // Without a slot too: a connection string that makes no sense is found before anything begins.
  const servers = serversOf(cluster, values, environment)
  if (values.slot !== undefined) {
    for (const server of servers)
      claims.push({
        cluster,
        key: `slot ${server} ${values.slot}`,
        what: `slot "${values.slot}" on the same server, ${server}`,
        why: 'a slot admits one receiver: name another slot, or another server',
      })
  }
  return claims
}

function serversOf(
  cluster: string | null,
  { dbname: dsn, host, port, username: user }: ReceiveOptionValues,
  environment: Readonly<Record<string, string | undefined>>,
): string[] {
  try {
    return configuredServers({ dsn, host, port, user, environment })
  } catch (error) {
    if (!(error instanceof WalshipError)) throw error
    throw new CommandLineError(`cluster "${cluster}": ${redactSecrets(error.message)}`, {
      pointsAtHelp: false,
      hint: error.hint,
      cause: error,
    })
  }
}

/** Also of what is not there yet: a missing mount is the trouble of one cluster. */
async function realPath(path: string): Promise<string> {
  return realpath(path).catch(() => resolve(path))
}

async function storeKey(url: string, endpoint: unknown): Promise<string> {
  const plain = url.replace(/\/+$/, '')
  if (!plain.startsWith('file:///')) return `${plain} at ${String(endpoint ?? '')}`
  try {
    return `file://${await realPath(fileURLToPath(plain))}`
  } catch {
    // Whatever is wrong with it is told when it is opened.
    return plain
  }
}
