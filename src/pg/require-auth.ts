import { UsageError } from './errors.js'

/** Authentication requests a server can make, named as `require_auth` names the methods. */
export type AuthMethod = 'password' | 'md5' | 'gss' | 'sspi' | 'scram-sha-256' | 'oauth' | 'none'

const METHODS: readonly AuthMethod[] = ['password', 'md5', 'gss', 'sspi', 'scram-sha-256', 'oauth', 'none']

/**
 * Which ways of authentication the user allows (`require_auth`, PostgreSQL 16 and up).
 *
 * `none` means a server that asks for nothing: trust, peer or cert.
 */
export class RequireAuth {
  /** As it was written, for error messages. Empty when everything is allowed. */
  readonly text: string
  readonly #allowed: ReadonlySet<AuthMethod>

  private constructor(text: string, allowed: ReadonlySet<AuthMethod>) {
    this.text = text
    this.#allowed = allowed
  }

  /**
   * Reads a comma-separated list of methods, or of methods each with `!` before it.
   *
   * @throws UsageError with libpq's text
   */
  static parse(text: string): RequireAuth {
    if (text === '') return new RequireAuth('', new Set(METHODS))
    const parts = text.split(',').map((part) => {
      const negated = part.startsWith('!')
      return { negated, method: negated ? part.slice(1) : part }
    })
    const negative = parts[0]!.negated
    const named = new Set<AuthMethod>()
    for (const { negated, method } of parts) {
      if (negated !== negative)
        throw invalid(
          negated
            ? `negative require_auth method "${method}" cannot be mixed with non-negative methods`
            : `require_auth method "${method}" cannot be mixed with negative methods`,
        )
      const known = METHODS.find((candidate) => candidate === method)
      if (known === undefined) throw invalid(`invalid require_auth value: "${method}"`)
      if (named.has(known)) throw invalid(`require_auth method "${method}" is specified more than once`)
      named.add(known)
    }
    return new RequireAuth(text, negative ? new Set(METHODS.filter((method) => !named.has(method))) : named)
  }

  allows(method: AuthMethod): boolean {
    return this.#allowed.has(method)
  }
}

function invalid(message: string): UsageError {
  return new UsageError(message, {
    code: 'PG_CONNINFO',
    hint: `require_auth takes ${METHODS.join(', ')}, or each of them with "!" before it`,
  })
}
