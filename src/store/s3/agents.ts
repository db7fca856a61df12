import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { isIP } from 'node:net'
import { checkServerIdentity, type PeerCertificate } from 'node:tls'
import { type Environment, mentionsProxy, proxyFor } from './proxy-choice.js'

const MAX_SOCKETS = 50

export interface Agents {
  readonly httpAgent: HttpAgent
  readonly httpsAgent: HttpsAgent
}

/**
 * What keeps the connections of one client, through a proxy where the environment names one.
 *
 * @param ca certificates to trust in place of the public ones
 * @param endpoint URL; undefined for AWS
 */
export async function openAgents(
  environment: Environment,
  ca: Buffer | undefined,
  endpoint: string | undefined,
): Promise<Agents> {
  const options = { keepAlive: true, maxSockets: MAX_SOCKETS }
  if (!mentionsProxy(environment)) {
    return { httpAgent: new HttpAgent(options), httpsAgent: new HttpsAgent({ ...options, ca }) }
  }
  const { ProxyAgent } = await import('proxy-agent')
  const getProxyForUrl = (url: string) => proxyFor(environment, url)
  // On a connection that is used again the library would not tell the proxy the whole URL.
  const httpAgent = new ProxyAgent({ ...options, keepAlive: false, getProxyForUrl })
  const httpsAgent = new ProxyAgent({ ...options, ca, getProxyForUrl, ...identityOfAddress(endpoint) })
  return { httpAgent, httpsAgent: httpsAgent as unknown as HttpsAgent }
}

/** Behind a tunnel the library loses an endpoint's name when it is an address, and would look for `localhost`. */
function identityOfAddress(endpoint: string | undefined) {
  const host = endpoint === undefined ? '' : new URL(endpoint).hostname.replace(/^\[|\]$/g, '')
  if (isIP(host) === 0) return {}
  return {
    checkServerIdentity: (_: string, certificate: PeerCertificate) => checkServerIdentity(host, certificate),
  }
}
