/** Variables by name, as a process has them. */
export type Environment = Readonly<Record<string, string | undefined>>

const DEFAULT_PORTS: Readonly<Record<string, string>> = { 'http:': '80', 'https:': '443' }

/** True when a proxy may have to be used at all. */
export function mentionsProxy(environment: Environment): boolean {
  return ['http_proxy', 'https_proxy', 'all_proxy'].some((name) => variable(environment, name) !== '')
}

/**
 * The proxy for a request, by the variables that curl and most programs know: `https_proxy` or
 * `http_proxy` by the URL's scheme, else `all_proxy`; none for hosts in `no_proxy`. Lower case wins.
 *
 * `no_proxy` is a list with commas or blanks: `*`, a host, a domain with or without a leading dot or
 * `*.` for it and all below it, each with an optional `:port`.
 *
 * @returns URL of the proxy, or an empty string for a direct connection
 */
export function proxyFor(environment: Environment, url: string): string {
  const { protocol, hostname, port } = new URL(url)
  if (isExempt(variable(environment, 'no_proxy'), hostname, port || DEFAULT_PORTS[protocol] || '')) return ''
  const proxy = variable(environment, `${protocol.slice(0, -1)}_proxy`) || variable(environment, 'all_proxy')
  return proxy === '' || proxy.includes('://') ? proxy : `http://${proxy}`
}

function variable(environment: Environment, name: string): string {
  return environment[name] ?? environment[name.toUpperCase()] ?? ''
}

function isExempt(list: string, hostname: string, port: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, '').toLowerCase()
  return list.split(/[\s,]+/).some((entry) => {
    if (entry === '' || entry === '*') return entry === '*'
    const wanted = hostAndPort(entry.toLowerCase())
    if (wanted.port !== undefined && wanted.port !== port) return false
    const domain = wanted.host.replace(/^\*?\./, '')
    return host === domain || host.endsWith(`.${domain}`)
  })
}

/** `host`, `host:port`, `[::1]`, `[::1]:port` or `::1`. */
function hostAndPort(text: string): { host: string; port: string | undefined } {
  const match = /^\[(.+)\](?::([0-9]+))?$/.exec(text) ?? /^([^:]+)(?::([0-9]+))?$/.exec(text)
  return match === null ? { host: text, port: undefined } : { host: match[1]!, port: match[2] }
}
