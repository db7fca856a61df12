import { createHash, createHmac, pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import { ConnectionFailedError } from './errors.js'
import { saslprep } from './saslprep.js'

export const SCRAM_SHA_256 = 'SCRAM-SHA-256'
export const SCRAM_SHA_256_PLUS = 'SCRAM-SHA-256-PLUS'

/**
 * How the exchange is tied to the TLS session (the GS2 header of RFC 5802):
 * `bound` to the server's certificate, `unoffered` where we could but the server did not
 * offer it, `unsupported` where we cannot or must not.
 */
export type ChannelBinding =
  | { readonly kind: 'bound'; readonly serverEndPoint: Buffer }
  | { readonly kind: 'unoffered' }
  | { readonly kind: 'unsupported' }

export interface ScramSecrets {
  readonly password?: string
  /** Keys instead of a password: scram_client_key and scram_server_key. */
  readonly clientKey?: Buffer
  readonly serverKey?: Buffer
}

/** 18 random bytes, base64: the size PostgreSQL uses. */
const NONCE_BYTES = 18

/**
 * The most iterations a server may ask for. PostgreSQL's default is 4096. Without a limit
 * a false server could keep a processor busy for hours with one number.
 */
const MAX_ITERATIONS = 10_000_000

const deriveKey = promisify(pbkdf2)

/**
 * The client's side of one SCRAM-SHA-256 exchange. RFC 5802, RFC 7677; PostgreSQL chapter 54.3.
 *
 * Three calls in order: `clientFirst`, `clientFinal`, `verifyServer`. Only after the
 * last one returned is the server known to know the password's verifier.
 */
export class ScramExchange {
  readonly #secrets: ScramSecrets
  readonly #gs2Header: Buffer
  readonly #bindingData: Buffer
  readonly #nonce: string
  #serverKey: Buffer | null = null
  #authMessage = ''
  #challenged = false
  #verified = false

  /** @param nonce fixed only by tests */
  constructor(
    secrets: ScramSecrets,
    binding: ChannelBinding,
    nonce: string = randomBytes(NONCE_BYTES).toString('base64'),
  ) {
    this.#secrets = secrets
    this.#nonce = nonce
    const flag =
      binding.kind === 'bound' ? 'p=tls-server-end-point' : binding.kind === 'unoffered' ? 'y' : 'n'
    this.#gs2Header = Buffer.from(`${flag},,`)
    this.#bindingData = binding.kind === 'bound' ? binding.serverEndPoint : Buffer.alloc(0)
  }

  /** True after the server has proved itself. */
  get verified(): boolean {
    return this.#verified
  }

  /** The first message. The user name stays empty: the server takes the one of the start-up packet. */
  clientFirst(): string {
    return `${this.#gs2Header.toString('latin1')}${this.#clientFirstBare}`
  }

  get #clientFirstBare(): string {
    return `n=,r=${this.#nonce}`
  }

  /**
   * The proof, in answer to server-first-message.
   *
   * @throws ConnectionFailedError for a message that is malformed or answers someone else's nonce
   */
  async clientFinal(serverFirst: string): Promise<string> {
    // A second challenge would get a second proof, for a salt of the peer's choice.
    if (this.#challenged) throw failed('invalid SCRAM exchange state')
    this.#challenged = true
    const attributes = serverFirst.split(',')
    const serverNonce = attribute(attributes[0], 'r')
    const saltText = attribute(attributes[1], 's')
    const iterationText = attribute(attributes[2], 'i')
    if (!serverNonce.startsWith(this.#nonce) || serverNonce.length === this.#nonce.length)
      throw failed('invalid SCRAM response (nonce mismatch)')
    const salt = decodeBase64(saltText)
    if (salt === null || salt.length === 0) throw failed('malformed SCRAM message (invalid salt)')
    const iterations = /^[1-9][0-9]*$/.test(iterationText) ? Number(iterationText) : 0
    if (iterations < 1) throw failed('malformed SCRAM message (invalid iteration count)')
    if (iterations > MAX_ITERATIONS)
      throw failed(`SCRAM iteration count ${iterationText} is above the limit of ${MAX_ITERATIONS}`)
    if (attributes.length > 3)
      throw failed('malformed SCRAM message (garbage at end of server-first-message)')

    const keys = await this.#keys(salt, iterations)
    this.#serverKey = keys.serverKey
    const binding = Buffer.concat([this.#gs2Header, this.#bindingData]).toString('base64')
    const withoutProof = `c=${binding},r=${serverNonce}`
    this.#authMessage = `${this.#clientFirstBare},${serverFirst},${withoutProof}`
    const storedKey = createHash('sha256').update(keys.clientKey).digest()
    const signature = hmac(storedKey, this.#authMessage)
    const proof = keys.clientKey.map((byte, index) => byte ^ signature[index]!)
    return `${withoutProof},p=${Buffer.from(proof).toString('base64')}`
  }

  /**
   * Checks server-final-message: a server that cannot sign does not know our verifier,
   * and must not be taken for the one it says it is.
   *
   * @throws ConnectionFailedError when the signature is wrong or missing
   */
  verifyServer(serverFinal: string): void {
    if (this.#serverKey === null) throw failed('invalid SCRAM exchange state')
    if (serverFinal.startsWith('e=')) {
      throw failed(`error received from server in SCRAM exchange: ${serverFinal.slice(2)}`)
    }
    const attributes = serverFinal.split(',')
    const received = decodeBase64(attribute(attributes[0], 'v'))
    if (attributes.length > 1)
      throw failed('malformed SCRAM message (garbage at end of server-final-message)')
    if (received === null || received.length !== 32)
      throw failed('malformed SCRAM message (invalid server signature)')
    if (!timingSafeEqual(received, hmac(this.#serverKey, this.#authMessage))) {
      throw failed('incorrect server signature', {
        hint: 'the peer does not know the verifier of this password: it may not be the server it claims to be',
      })
    }
    this.#verified = true
  }

  async #keys(salt: Buffer, iterations: number): Promise<{ clientKey: Buffer; serverKey: Buffer }> {
    const { password, clientKey, serverKey } = this.#secrets
    if (clientKey !== undefined && serverKey !== undefined) return { clientKey, serverKey }
    const salted = await deriveKey(saslprep(password ?? ''), salt, iterations, 32, 'sha256')
    return {
      clientKey: clientKey ?? hmac(salted, 'Client Key'),
      serverKey: serverKey ?? hmac(salted, 'Server Key'),
    }
  }
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text, 'utf8').digest()
}

function failed(message: string, options: { hint?: string } = {}): ConnectionFailedError {
  return new ConnectionFailedError(message, { code: 'PG_SCRAM', ...options })
}

/** The value of `name=value`, with libpq's complaints about anything else. */
function attribute(text: string | undefined, name: string): string {
  if (text === undefined || text[0] !== name)
    throw failed(`malformed SCRAM message (attribute "${name}" expected)`)
  if (text[1] !== '=')
    throw failed(`malformed SCRAM message (expected character "=" for attribute "${name}")`)
  return text.slice(2)
}

/** Strict base64, since Buffer ignores what it does not know. */
export function decodeBase64(text: string): Buffer | null {
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return null
  return Buffer.from(text, 'base64')
}
