import { promises as dns, type LookupAddress } from 'node:dns'
import { isIP } from 'node:net'
import { errnoOf } from '../base/index.js'
import { ConnectionFailedError } from './errors.js'
import type { HostEntry } from './host-list.js'

/** One place to connect to. */
export type Address =
  | { readonly kind: 'socket'; readonly path: string }
  | { readonly kind: 'tcp'; readonly ip: string; readonly port: number }

/** getaddrinfo's failures in the words of gai_strerror(3), which libpq prints. */
const LOOKUP_TEXTS: Readonly<Record<string, string>> = {
  ENOTFOUND: 'Name or service not known',
  EAI_NONAME: 'Name or service not known',
  EAI_AGAIN: 'Temporary failure in name resolution',
  EAI_FAIL: 'Non-recoverable failure in name resolution',
  EAI_NODATA: 'No address associated with hostname',
}

/** Replaced by tests. */
export type Lookup = (host: string) => Promise<readonly LookupAddress[]>

const systemLookup: Lookup = (host) => dns.lookup(host, { all: true, verbatim: true })

/**
 * All addresses of one host entry, in the order the system gives them.
 *
 * Asked anew at every connect: after a failover a name may point elsewhere.
 *
 * @throws ConnectionFailedError with libpq's text; the signal's reason on abort
 */
export async function lookupAddresses(
  entry: HostEntry,
  signal?: AbortSignal,
  lookup: Lookup = systemLookup,
): Promise<Address[]> {
  if (entry.kind === 'socket') {
    const path = entry.socketPath.startsWith('@') ? `\0${entry.socketPath.slice(1)}` : entry.socketPath
    return [{ kind: 'socket', path }]
  }
  if (entry.kind === 'address') {
    if (isIP(entry.hostaddr.replace(/%.*$/, '')) === 0)
      throw new ConnectionFailedError(
        `could not parse network address "${entry.hostaddr}": Name or service not known`,
        { hint: 'hostaddr takes numeric addresses; names belong into host' },
      )
    return [{ kind: 'tcp', ip: entry.hostaddr, port: entry.port }]
  }
  try {
    const found = await abortable(lookup(entry.host), signal)
    return found.map(({ address }) => ({ kind: 'tcp', ip: address, port: entry.port }))
  } catch (cause) {
    if (signal?.aborted) throw signal.reason
    const text = LOOKUP_TEXTS[errnoOf(cause) ?? ''] ?? String(cause instanceof Error ? cause.message : cause)
    throw new ConnectionFailedError(
      `could not translate host name "${entry.host}" to address: ${text}`,
      // Names come and go with the things they name, in a cluster manager above all.
      { code: 'PG_HOST_LOOKUP', retryable: true, hint: 'check the host name and the name server', cause },
    )
  }
}

/** A promise that also ends when the signal aborts; getaddrinfo itself cannot be stopped. */
export function abortable<Value>(promise: Promise<Value>, signal?: AbortSignal): Promise<Value> {
  if (signal === undefined) return promise
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason)
    if (signal.aborted) {
      // Nobody waits for it any more, but its failure must not count as unhandled.
      promise.catch(() => {})
      return onAbort()
    }
    signal.addEventListener('abort', onAbort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}
