import type { BackendMessage as ParsedMessage } from 'pg-protocol/dist/messages.js'
import { Parser } from 'pg-protocol/dist/parser.js'
import { ProtocolError, type ServerError, type ServerFields, serverError } from './errors.js'
import { type CopyStreamHandler, FrameSplitter, MAX_COMMAND_FRAME } from './frame-splitter.js'
import { readServerFields } from './server-fields.js'
import type { Transport } from './transport.js'

/**
 * Backend messages as this room sees them. pg-protocol decodes them, except where it
 * drops what is needed here: raw DataRow bytes (a history file may be in any encoding),
 * keys longer than 4 bytes, the fields of errors and notices, authentication methods it does
 * not know, and NegotiateProtocolVersion.
 */
export type BackendMessage =
  | { readonly name: 'authenticationOk' }
  | { readonly name: 'authenticationCleartextPassword' }
  | { readonly name: 'authenticationMD5Password'; readonly salt: Buffer }
  | { readonly name: 'authenticationSASL'; readonly mechanisms: readonly string[] }
  | { readonly name: 'authenticationSASLContinue'; readonly data: string }
  | { readonly name: 'authenticationSASLFinal'; readonly data: string }
  | { readonly name: 'unsupportedAuthentication'; readonly method: string }
  | { readonly name: 'parameterStatus'; readonly parameterName: string; readonly parameterValue: string }
  | { readonly name: 'backendKeyData'; readonly processID: number; readonly secretKey: Buffer }
  | { readonly name: 'negotiateProtocolVersion' }
  | { readonly name: 'readyForQuery'; readonly status: string }
  | {
      readonly name: 'rowDescription'
      readonly fields: readonly { readonly name: string; readonly dataTypeID: number }[]
    }
  | { readonly name: 'dataRow'; readonly values: readonly (Buffer | null)[] }
  | { readonly name: 'commandComplete'; readonly text: string }
  | { readonly name: 'emptyQuery' }
  | { readonly name: 'replicationStart' }
  | { readonly name: 'copyDone' }
  | { readonly name: 'error'; readonly error: ServerError }
  | { readonly name: 'notice'; readonly notice: ServerFields }
  | { readonly name: 'other'; readonly type: string }

const UNSUPPORTED_METHODS: Readonly<Record<number, string>> = {
  1: 'Kerberos V4',
  2: 'Kerberos V5',
  4: 'crypt',
  6: 'SCM credentials',
  7: 'GSSAPI',
  8: 'GSSAPI',
  9: 'SSPI',
}

/** Lengths of the authentication requests that pg-protocol takes for AuthenticationOk when they have another one. */
const REQUEST_LENGTHS: Readonly<Record<number, number>> = { 0: 9, 3: 9, 5: 13 }

/** What a message costs besides its bytes, and the most that may wait for a reader, in bytes. */
const MESSAGE_OVERHEAD = 200
const MAX_QUEUED_BYTES = 64 * 1024 * 1024

/**
 * One session's frames: sends, and gives out what the server says in order.
 *
 * Owns the hand-over between commands and a stream. Each frame outside a stream goes to
 * pg-protocol's parser alone and whole, so that its reuse of memory cannot touch anything.
 */
export class Wire {
  readonly transport: Transport
  readonly #splitter: FrameSplitter
  readonly #parser = new Parser()
  readonly #queue: { readonly message: BackendMessage; readonly byteCount: number }[] = []
  #queuedBytes = 0
  #waiter: { resolve(message: BackendMessage): void; reject(error: unknown): void } | null = null
  #failure: Error | null = null
  #interceptor: ((message: BackendMessage) => void) | null = null
  #onFailure: ((error: Error) => void) | null = null
  #streamWhenStarted: CopyStreamHandler | null = null

  constructor(transport: Transport) {
    this.transport = transport
    this.#splitter = new FrameSplitter({ onFrame: (type, frame) => this.#onFrame(type, frame) })
    transport.start({
      onBytes: (bytes) => {
        try {
          this.#splitter.push(bytes)
        } catch (error) {
          this.#fail(error instanceof Error ? error : new ProtocolError(String(error)))
          transport.destroy()
        }
      },
      onClose: (error) => this.#fail(error),
    })
  }

  /** Why nothing more will come, or null. */
  get failure(): Error | null {
    return this.#failure
  }

  send(frame: Uint8Array): void {
    this.transport.write(frame)
  }

  /**
   * The next message from the server.
   *
   * @throws ConnectionLostError or ProtocolError when none will come; the signal's reason on abort
   */
  next(signal?: AbortSignal): Promise<BackendMessage> {
    const queued = this.#take()
    if (queued !== undefined) return Promise.resolve(queued)
    if (this.#failure !== null) return Promise.reject(this.#failure)
    if (signal?.aborted) return Promise.reject(signal.reason)
    return new Promise((resolve, reject) => {
      const done = () => {
        this.#waiter = null
        signal?.removeEventListener('abort', onAbort)
      }
      const onAbort = () => {
        done()
        reject(signal?.reason)
      }
      this.#waiter = {
        resolve: (message) => {
          done()
          resolve(message)
        },
        reject: (error) => {
          done()
          reject(error)
        },
      }
      signal?.addEventListener('abort', onAbort, { once: true })
    })
  }

  /** Largest message to accept outside of a stream from now on, in bytes; undefined for what a session needs. */
  limitMessages(byteCount?: number): void {
    this.#splitter.maxFrame = byteCount ?? MAX_COMMAND_FRAME
  }

  /**
   * Names who takes the stream, before a START_REPLICATION is sent: CopyData may follow
   * CopyBothResponse in the same read.
   *
   * @param maxCopyData largest message to accept, in bytes
   */
  expectStream(handler: CopyStreamHandler, maxCopyData: number): void {
    this.#streamWhenStarted = handler
    this.#splitter.maxCopyData = maxCopyData
  }

  /**
   * Takes every further message (and the end of the connection) instead of `next`, queued ones first,
   * until `endStream`: an error right after CopyBothResponse ends the stream with its ReadyForQuery
   * still in the queue, and that one belongs to `next` again.
   */
  intercept(onMessage: (message: BackendMessage) => void, onFailure: (error: Error) => void): void {
    this.#interceptor = onMessage
    this.#onFailure = onFailure
    while (this.#interceptor === onMessage) {
      const message = this.#take()
      if (message === undefined) break
      onMessage(message)
    }
    if (this.#interceptor === onMessage && this.#failure !== null) onFailure(this.#failure)
  }

  /**
   * Messages go to `next` again, CopyData still to the stream: a logical walsender that was told to stop
   * agrees at once, and then sends the rest of what it was at.
   */
  endIntercept(): void {
    this.#interceptor = null
    this.#onFailure = null
  }

  /** Back to `next` and whole frames. */
  endStream(): void {
    this.#splitter.stream = null
    this.#streamWhenStarted = null
    this.endIntercept()
  }

  #onFrame(type: number, frame: Buffer): void {
    const message = this.#decode(type, frame)
    if (message.name === 'replicationStart') this.#splitter.stream = this.#streamWhenStarted
    if (this.#interceptor !== null) this.#interceptor(message)
    else if (this.#waiter !== null) this.#waiter.resolve(message)
    else this.#keep(message, frame.length + MESSAGE_OVERHEAD)
  }

  #keep(message: BackendMessage, byteCount: number): void {
    this.#queuedBytes += byteCount
    if (this.#queuedBytes > MAX_QUEUED_BYTES)
      throw new ProtocolError(`server sent ${this.#queuedBytes} bytes that nobody asked for`, {
        hint: 'host and port may belong to something that is not PostgreSQL',
      })
    this.#queue.push({ message, byteCount })
  }

  #take(): BackendMessage | undefined {
    const kept = this.#queue.shift()
    if (kept !== undefined) this.#queuedBytes -= kept.byteCount
    return kept?.message
  }

  #fail(error: Error): void {
    if (this.#failure !== null) return
    this.#failure = error
    this.#waiter?.reject(error)
    this.#onFailure?.(error)
  }

  #decode(type: number, frame: Buffer): BackendMessage {
    switch (String.fromCharCode(type)) {
      case 'D':
        return { name: 'dataRow', values: dataRowValues(frame) }
      case 'K':
        if (frame.length < 13) throw new ProtocolError('backend key message too short')
        return {
          name: 'backendKeyData',
          processID: frame.readInt32BE(5),
          secretKey: Buffer.from(frame.subarray(9)),
        }
      case 'v':
        return { name: 'negotiateProtocolVersion' }
      case 'E':
        return { name: 'error', error: serverError(readServerFields(frame)) }
      case 'N':
        return { name: 'notice', notice: readServerFields(frame) }
      case 'R': {
        const request = frame.length >= 9 ? frame.readInt32BE(5) : -1
        const method = UNSUPPORTED_METHODS[request]
        if (method !== undefined) return { name: 'unsupportedAuthentication', method }
        if (frame.length !== (REQUEST_LENGTHS[request] ?? frame.length))
          throw new ProtocolError(`authentication request ${request} has an impossible length`)
      }
    }
    const parsed = this.#parse(type, frame)
    switch (parsed.name) {
      case 'authenticationMD5Password': {
        const { salt } = parsed as unknown as { salt: Buffer }
        return { name: 'authenticationMD5Password', salt: Buffer.from(salt) }
      }
      case 'authenticationOk':
      case 'authenticationCleartextPassword':
      case 'authenticationSASL':
      case 'authenticationSASLContinue':
      case 'authenticationSASLFinal':
      case 'parameterStatus':
      case 'readyForQuery':
      case 'rowDescription':
      case 'commandComplete':
      case 'emptyQuery':
      case 'replicationStart':
      case 'copyDone':
        return parsed as unknown as BackendMessage
      default:
        return { name: 'other', type: String.fromCharCode(type) }
    }
  }

  #parse(type: number, frame: Buffer): ParsedMessage {
    let result: ParsedMessage | undefined
    try {
      this.#parser.parse(frame, (message) => {
        result = message
      })
    } catch (cause) {
      throw new ProtocolError(
        `could not interpret message of type "${String.fromCharCode(type)}" from server`,
        { cause },
      )
    }
    if (result === undefined)
      throw new ProtocolError(`incomplete message of type "${String.fromCharCode(type)}" from server`)
    return result
  }
}

/** DataRow fields as the bytes the server sent. PostgreSQL chapter 54.7, DataRow. */
function dataRowValues(frame: Buffer): (Buffer | null)[] {
  const values: (Buffer | null)[] = []
  if (frame.length < 7) throw new ProtocolError('data row message too short')
  const count = frame.readUInt16BE(5)
  let offset = 7
  for (let index = 0; index < count; index += 1) {
    if (offset + 4 > frame.length) throw new ProtocolError('insufficient data in data row message')
    const length = frame.readInt32BE(offset)
    offset += 4
    if (length < 0) {
      values.push(null)
      continue
    }
    if (offset + length > frame.length) throw new ProtocolError('insufficient data in data row message')
    values.push(Buffer.from(frame.subarray(offset, offset + length)))
    offset += length
  }
  return values
}
