import { serialize } from 'pg-protocol'
import { serverEndPoint } from './certificate-hash.js'
import { ConnectionFailedError, type PgErrorOptions, UsageError } from './errors.js'
import { md5Response } from './md5.js'
import type { ChannelBindingMode } from './parameter-checks.js'
import type { AuthMethod, RequireAuth } from './require-auth.js'
import { type ChannelBinding, SCRAM_SHA_256, SCRAM_SHA_256_PLUS, ScramExchange } from './scram.js'
import type { BackendMessage, Wire } from './wire.js'

/** What one attempt may use to authenticate. */
export interface Credentials {
  readonly user: string
  readonly password: string | undefined
  readonly scramClientKey: Buffer | undefined
  readonly scramServerKey: Buffer | undefined
}

export interface AuthenticationRules {
  readonly requireAuth: RequireAuth
  readonly channelBinding: ChannelBindingMode
  /** DER of the server's certificate; null without TLS. */
  readonly serverCertificate: Buffer | null
  /** sslcertmode=require: libpq's complaint if the client certificate was not used, else null. */
  readonly clientCertificateProblem: string | null
}

/** A server may ask again, as PAM does for a second factor, but not for ever. */
const MAX_PASSWORD_REQUESTS = 10

/**
 * One authentication dialogue. Fed with the server's requests, it answers them, and
 * decides at AuthenticationOk whether what happened is what the user demanded.
 *
 * Refuses every shortcut a false server could try: a weaker method than `require_auth`
 * allows, an OK in the middle of SCRAM, SCRAM without the demanded channel binding.
 * PostgreSQL chapter 54.2.1 and fe-auth.c.
 */
export class Authentication {
  readonly #wire: Wire
  readonly #credentials: Credentials
  readonly #rules: AuthenticationRules
  #scram: ScramExchange | null = null
  #bound = false
  #requested = false
  #answered = false
  #passwordSent = false
  #passwordRequests = 0

  constructor(wire: Wire, credentials: Credentials, rules: AuthenticationRules) {
    this.#wire = wire
    this.#credentials = credentials
    this.#rules = rules
  }

  /** True once the server has asked for anything: from then on it is authentication that fails, not the way there. */
  get requested(): boolean {
    return this.#requested
  }

  /** True when the password was used, so that a reconnect needs it. */
  get passwordUsed(): boolean {
    return this.#passwordSent
  }

  /**
   * Deals with one authentication message.
   *
   * @returns true at AuthenticationOk, when the dialogue ended as it had to
   * @throws ConnectionFailedError, with the code PG_NO_PASSWORD where one is missing
   */
  async handle(message: BackendMessage): Promise<boolean> {
    switch (message.name) {
      case 'authenticationOk':
        this.#finish()
        return true
      case 'authenticationCleartextPassword':
        this.#admit('password', 'server requested a cleartext password')
        this.#sendPassword(this.#password())
        return false
      case 'authenticationMD5Password': {
        this.#admit('md5', 'server requested a hashed password')
        this.#sendPassword(md5Response(this.#credentials.user, this.#password(), message.salt))
        return false
      }
      case 'authenticationSASL':
        this.#startSasl(message.mechanisms)
        return false
      case 'authenticationSASLContinue':
        await this.#continueSasl(message.data)
        return false
      case 'authenticationSASLFinal':
        this.#finishSasl(message.data)
        return false
      case 'unsupportedAuthentication':
        throw this.#unsupported(message.method)
      default:
        throw refused(`expected authentication request from server, but received ${message.name}`, {
          code: 'PG_PROTOCOL',
          retryable: true,
        })
    }
  }

  #finish(): void {
    if (this.#rules.clientCertificateProblem !== null)
      throw refused(this.#rules.clientCertificateProblem, {
        hint: 'sslcertmode=require needs a server with ssl_ca_file set, and a client certificate',
      })
    const { requireAuth, channelBinding } = this.#rules
    if (!this.#answered && !requireAuth.allows('none'))
      throw this.#requirementFailed('server did not complete authentication')
    if (this.#scram !== null && !this.#scram.verified)
      throw refused('AuthenticationOk received from server, but SASL authentication was not completed', {
        hint: 'the peer skipped the proof that it knows the password: it may not be the server it claims to be',
      })
    if (channelBinding === 'require' && !this.#bound)
      throw refused('channel binding required, but server authenticated client without channel binding')
  }

  /** Lets a request pass that `require_auth` and `channel_binding` allow. */
  #admit(method: AuthMethod, description: string): void {
    this.#requested = true
    if (!this.#rules.requireAuth.allows(method)) throw this.#requirementFailed(description)
    if (this.#rules.channelBinding === 'require' && method !== 'scram-sha-256')
      throw refused("channel binding required but not supported by server's authentication request", {
        hint: 'set password_encryption to scram-sha-256 on the server, or relax channel_binding',
      })
    if (this.#scram !== null && method !== 'scram-sha-256')
      throw refused('server changed the authentication method in the middle of SASL authentication')
  }

  #requirementFailed(reason: string): ConnectionFailedError {
    return refused(`authentication method requirement "${this.#rules.requireAuth.text}" failed: ${reason}`, {
      hint: 'change require_auth, or the method in pg_hba.conf',
    })
  }

  #password(): string {
    const { password } = this.#credentials
    if (password === undefined || password === '') {
      throw new ConnectionFailedError('fe_sendauth: no password supplied', {
        code: 'PG_NO_PASSWORD',
        hint: 'give a password with a password file, PGPASSWORD, or the prompt',
      })
    }
    if (password.includes('\0')) throw new UsageError('a password must not contain a NUL byte')
    this.#passwordSent = true
    return password
  }

  #sendPassword(text: string): void {
    if (++this.#passwordRequests > MAX_PASSWORD_REQUESTS)
      throw refused(`server asked for the password more than ${MAX_PASSWORD_REQUESTS} times`)
    this.#wire.send(serialize.password(text))
    this.#answered = true
  }

  #startSasl(mechanisms: readonly string[]): void {
    this.#requested = true
    if (this.#scram !== null) throw refused('duplicate SASL authentication request')
    const { channelBinding, serverCertificate, requireAuth } = this.#rules
    if (!requireAuth.allows('scram-sha-256') && !requireAuth.allows('oauth'))
      throw this.#requirementFailed('server requested SASL authentication')
    if (channelBinding === 'require' && serverCertificate === null)
      throw refused('channel binding required, but SSL not in use')
    const offersPlus = mechanisms.includes(SCRAM_SHA_256_PLUS)
    if (offersPlus && serverCertificate === null)
      throw refused('server offered SCRAM-SHA-256-PLUS authentication over a non-SSL connection', {
        hint: 'something between here and the server takes the TLS off',
      })
    const binding = this.#chooseBinding(offersPlus)
    const mechanism = binding.kind === 'bound' ? SCRAM_SHA_256_PLUS : SCRAM_SHA_256
    if (!mechanisms.includes(mechanism)) {
      throw mechanisms.includes('OAUTHBEARER')
        ? refused('OAUTHBEARER (OAuth) authentication is not supported', {
            hint: 'use a role whose pg_hba.conf line asks for scram-sha-256 or cert',
          })
        : refused("none of the server's SASL authentication mechanisms are supported")
    }
    this.#admit('scram-sha-256', `server requested ${mechanism} authentication`)
    if (channelBinding === 'require' && binding.kind !== 'bound')
      throw refused(
        'channel binding is required, but server did not offer an authentication method that supports channel binding',
      )
    const { scramClientKey, scramServerKey } = this.#credentials
    const hasKeys = scramClientKey !== undefined && scramServerKey !== undefined
    const password = hasKeys ? undefined : this.#password()
    this.#bound = binding.kind === 'bound'
    this.#scram = new ScramExchange(
      { password, clientKey: scramClientKey, serverKey: scramServerKey },
      binding,
    )
    this.#wire.send(serialize.sendSASLInitialResponseMessage(mechanism, this.#scram.clientFirst()))
  }

  /** Bound wherever both sides can; see RFC 5802 section 6 for what the other two protect. */
  #chooseBinding(offersPlus: boolean): ChannelBinding {
    const { channelBinding, serverCertificate } = this.#rules
    if (serverCertificate === null || channelBinding === 'disable') return { kind: 'unsupported' }
    if (!offersPlus) return { kind: 'unoffered' }
    const endPoint = serverEndPoint(serverCertificate)
    if (endPoint !== null) return { kind: 'bound', serverEndPoint: endPoint }
    // Ed25519 and others sign without a separate hash, so there is nothing to bind with.
    if (channelBinding === 'require')
      throw refused('could not determine server certificate signature algorithm', {
        hint: 'channel binding needs a server certificate signed with RSA or ECDSA',
      })
    return { kind: 'unsupported' }
  }

  async #continueSasl(data: string): Promise<void> {
    if (this.#scram === null)
      throw refused(
        'fe_sendauth: invalid authentication request from server: AUTH_REQ_SASL_CONT without AUTH_REQ_SASL',
      )
    this.#wire.send(serialize.sendSCRAMClientFinalMessage(await this.#scram.clientFinal(data)))
  }

  #finishSasl(data: string): void {
    if (this.#scram === null)
      throw refused(
        'fe_sendauth: invalid authentication request from server: AUTH_REQ_SASL_CONT without AUTH_REQ_SASL',
      )
    this.#scram.verifyServer(data)
    this.#answered = true
  }

  #unsupported(method: string): ConnectionFailedError {
    this.#requested = true
    const { requireAuth } = this.#rules
    const asMethod = method === 'GSSAPI' ? 'gss' : method === 'SSPI' ? 'sspi' : null
    if (asMethod !== null && !requireAuth.allows(asMethod))
      return this.#requirementFailed(`server requested ${method} authentication`)
    if (asMethod === null && requireAuth.text !== '')
      return this.#requirementFailed('server requested an unknown authentication type')
    return refused(`${method} authentication is not supported`, {
      hint: 'use a role whose pg_hba.conf line asks for scram-sha-256 or cert',
    })
  }
}

function refused(message: string, options: Partial<PgErrorOptions> = {}): ConnectionFailedError {
  return new ConnectionFailedError(message, { code: 'PG_AUTHENTICATION', ...options })
}
