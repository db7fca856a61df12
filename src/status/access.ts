import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'

/**
 * Whether a request carries the token: as `Authorization: Bearer TOKEN`, or as the password of Basic
 * authentication, which is how a browser asks a person for it.
 */
export function carriesToken(request: IncomingMessage, token: string): boolean {
  const [scheme = '', value = ''] = (request.headers.authorization ?? '').split(' ', 2)
  if (/^bearer$/i.test(scheme)) return isSame(value, token)
  if (!/^basic$/i.test(scheme)) return false
  const pair = Buffer.from(value, 'base64').toString('utf8')
  return isSame(pair.slice(pair.indexOf(':') + 1), token)
}

/** Takes the same time wherever the first difference is. */
function isSame(given: string, wanted: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(given), digest(wanted))
}

/** Addresses that only this machine reaches. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host)
}

/**
 * Whether the name in the Host header is one of this machine's own. A page of a stranger can give a name of
 * its own our address and have the browser ask us; what it cannot do is ask under the name `localhost`.
 */
export function asksForLoopback(request: IncomingMessage): boolean {
  const host = /^\[?([^\]]*?)\]?(?::\d+)?$/.exec(request.headers.host ?? '')?.[1] ?? ''
  return isLoopback(host)
}
