import net from 'node:net'
import tls from 'node:tls'
import { errnoText } from '../base/index.js'
import { ConnectionLostError, ProtocolError } from './errors.js'
import { ReadPace } from './read-pace.js'
import { type Hold, ReadSlabs } from './read-slabs.js'

/** What a transport does with what arrives. */
export interface TransportReceiver {
  /** `bytes` may be used until this returns; `transport.hold()` keeps them longer. */
  onBytes(bytes: Buffer): void
  /** Nothing more will come. Called once, with the reason. */
  onClose(error: ConnectionLostError): void
}

/** libpq's words for an end of file that the protocol did not announce. */
const CLOSED_UNEXPECTEDLY =
  'server closed the connection unexpectedly\n' +
  '\tThis probably means the server terminated abnormally\n' +
  '\tbefore or while processing the request.'

const ERROR_RESPONSE = 0x45

/** Reading pauses while the reader holds more than this, in bytes. */
const MAX_HELD_BYTES = 8 * 1024 * 1024

/**
 * A byte stream to a server: TCP or Unix socket, plain or TLS.
 *
 * Bytes arrive in borrowed memory (see ReadSlabs). Without TLS the socket reads straight
 * into our slabs; under TLS Node hands out fresh chunks, which are counted in the same way,
 * so back-pressure works alike.
 */
export class Transport {
  #socket: net.Socket | tls.TLSSocket
  #receiver: TransportReceiver | null = null
  #early: Buffer[] = []
  #closed: ConnectionLostError | null = null
  #slabs: ReadSlabs | null
  #heldChunkBytes = 0
  #chunkLength = 0
  #pausedByReader = false
  #pace: ReadPace | null = null
  #rest: NodeJS.Timeout | null = null
  #reading = true

  private constructor(makeSocket: (onread: net.OnReadOpts) => net.Socket, usesSlabs: boolean) {
    const slabs = new ReadSlabs(MAX_HELD_BYTES, () => this.#adjustFlow())
    this.#slabs = usesSlabs ? slabs : null
    this.#socket = makeSocket({
      buffer: () => slabs.next(),
      callback: (byteCount) => {
        this.#deliver(slabs.filled(byteCount))
        return this.#reading
      },
    })
    this.#attach()
  }

  /**
   * Opens a plain connection.
   *
   * @throws the socket's own error (with its `code`), or the signal's reason
   */
  static async connect(
    address: { host: string; port: number } | { path: string },
    signal?: AbortSignal,
  ): Promise<Transport> {
    const transport = new Transport((onread) => net.connect({ ...address, onread, noDelay: true }), true)
    await transport.#opened('connect', signal)
    return transport
  }

  /**
   * Opens a connection that is TLS from its first byte (sslnegotiation=direct).
   *
   * @throws the socket's or the handshake's error, or the signal's reason
   */
  static async connectTls(options: tls.ConnectionOptions, signal?: AbortSignal): Promise<Transport> {
    const transport = new Transport(() => tls.connect(options), false)
    await transport.#opened('secureConnect', signal)
    transport.#socket.setNoDelay(true)
    return transport
  }

  /** Turns the open plain connection into a TLS one, after the server agreed to SSLRequest. */
  async upgradeToTls(options: tls.ConnectionOptions, signal?: AbortSignal): Promise<void> {
    const plain = this.#socket
    plain.removeAllListeners()
    // Errors of the layer below surface through the TLS socket; an unhandled one here would kill the process.
    plain.on('error', () => {})
    this.#slabs = null
    this.#socket = tls.connect({ ...options, socket: plain })
    this.#attach()
    await this.#opened('secureConnect', signal)
  }

  /** The socket in use: the TLS one once there is TLS. */
  get socket(): net.Socket | tls.TLSSocket {
    return this.#socket
  }

  /** The descriptor of the socket, or -1 where Node hides it. */
  get fileDescriptor(): number {
    const { _handle: handle } = this.#socket as unknown as {
      readonly _handle?: { readonly fd?: number } | null
    }
    return handle?.fd ?? -1
  }

  get encrypted(): boolean {
    return this.#socket instanceof tls.TLSSocket
  }

  /** Why the transport is closed, or null while it is open. */
  get closed(): ConnectionLostError | null {
    return this.#closed
  }

  /** True while nothing is read: the reader asked for it, or holds too much. */
  get paused(): boolean {
    return this.#pausedByReader || this.#full
  }

  /** Connects the reader; bytes that came before it are delivered first. */
  start(receiver: TransportReceiver): void {
    this.#receiver = receiver
    const early = this.#early
    this.#early = []
    for (const bytes of early) receiver.onBytes(bytes)
    if (this.#closed !== null) receiver.onClose(this.#closed)
  }

  /**
   * The one byte that answers an SSLRequest.
   *
   * @throws ProtocolError when more than one byte has arrived: bytes ahead of the handshake
   *   were injected by someone on the line (CVE-2021-23222)
   */
  readByte(signal?: AbortSignal): Promise<number> {
    return new Promise((resolve, reject) => {
      const settle = (act: () => void) => {
        this.#receiver = null
        signal?.removeEventListener('abort', onAbort)
        act()
      }
      const onAbort = () => settle(() => reject(signal?.reason))
      if (signal?.aborted) return onAbort()
      signal?.addEventListener('abort', onAbort, { once: true })
      this.start({
        onBytes: (bytes) =>
          settle(() =>
            // A server that could not fork answers with a whole ErrorResponse.
            bytes.length === 1 || bytes[0] === ERROR_RESPONSE
              ? resolve(bytes[0]!)
              : reject(
                  new ProtocolError('received unencrypted data after SSL response', { retryable: false }),
                ),
          ),
        onClose: (error) => settle(() => reject(error)),
      })
    })
  }

  /** Queues bytes for sending. The buffer belongs to the transport from here on. */
  write(data: Uint8Array): void {
    if (this.#closed === null && this.#socket.writable) this.#socket.write(data)
  }

  /** Bytes accepted by `write` that the kernel has not taken yet. */
  get unsentBytes(): number {
    return this.#socket.writableLength
  }

  /** Keeps the bytes now being delivered valid until the hold is released. */
  hold(): Hold {
    if (this.#slabs !== null) return this.#slabs.hold()
    const byteCount = this.#chunkLength
    this.#heldChunkBytes += byteCount
    return {
      release: () => {
        this.#heldChunkBytes -= byteCount
        this.#adjustFlow()
      },
    }
  }

  pause(): void {
    this.#pausedByReader = true
    this.#adjustFlow()
  }

  resume(): void {
    this.#pausedByReader = false
    this.#adjustFlow()
  }

  /** Lets many small messages gather for a millisecond before they are read: see ReadPace. */
  gatherReads(gather: boolean): void {
    this.#pace = gather ? new ReadPace() : null
    if (!gather) this.#endRest()
  }

  /** Sends what is queued, then closes our side. */
  end(): void {
    this.#socket.end()
  }

  destroy(error?: Error): void {
    this.#socket.destroy(error)
  }

  /** Waits until the socket is closed; after the timeout it is destroyed. */
  waitClosed(timeoutMs: number): Promise<void> {
    const socket = this.#socket
    if (socket.closed) return Promise.resolve()
    return new Promise((resolve) => {
      const timer = setTimeout(() => socket.destroy(), timeoutMs)
      socket.once('close', () => {
        clearTimeout(timer)
        resolve()
      })
      // What still arrives is read and dropped, or the end of the stream would never be seen.
      this.#receiver = { onBytes() {}, onClose() {} }
      this.resume()
    })
  }

  #deliver(bytes: Buffer): void {
    this.#chunkLength = bytes.length
    if (this.#receiver !== null) this.#receiver.onBytes(bytes)
    else this.#early.push(Buffer.from(bytes))
    const restMs = this.#pace?.afterRead(bytes.length, performance.now()) ?? 0
    if (restMs > 0) this.#rest ??= setTimeout(() => this.#endRest(), restMs)
    this.#adjustFlow()
  }

  #endRest(): void {
    if (this.#rest !== null) clearTimeout(this.#rest)
    this.#rest = null
    this.#adjustFlow()
  }

  get #full(): boolean {
    return this.#slabs !== null ? this.#slabs.exhausted : this.#heldChunkBytes > MAX_HELD_BYTES
  }

  #adjustFlow(): void {
    const reading = !this.paused && this.#rest === null
    if (reading === this.#reading) return
    this.#reading = reading
    if (reading) this.#socket.resume()
    else this.#socket.pause()
  }

  #attach(): void {
    const socket = this.#socket
    if (this.#slabs === null) socket.on('data', (chunk: Buffer) => this.#deliver(chunk))
    socket.on('error', (error) => this.#close(error))
    socket.on('end', () => this.#close(null))
    socket.on('close', () => this.#close(null))
  }

  #close(cause: Error | null): void {
    if (this.#closed !== null) return
    this.gatherReads(false)
    this.#closed =
      cause === null
        ? new ConnectionLostError(CLOSED_UNEXPECTEDLY)
        : cause instanceof ConnectionLostError
          ? cause
          : new ConnectionLostError(`could not receive data from server: ${errnoText(cause)}`, { cause })
    this.#receiver?.onClose(this.#closed)
  }

  #opened(event: 'connect' | 'secureConnect', signal?: AbortSignal): Promise<void> {
    const socket = this.#socket
    return new Promise((resolve, reject) => {
      const settle = (act: () => void) => {
        socket.off(event, onOpen)
        socket.off('error', onError)
        socket.off('close', onClose)
        signal?.removeEventListener('abort', onAbort)
        act()
      }
      const onOpen = () => settle(resolve)
      const onError = (error: Error) => settle(() => reject(error))
      const onClose = () => settle(() => reject(this.#closed ?? new ConnectionLostError(CLOSED_UNEXPECTEDLY)))
      const onAbort = () =>
        settle(() => {
          socket.destroy()
          reject(signal?.reason)
        })
      if (signal?.aborted) return onAbort()
      socket.once(event, onOpen)
      socket.once('error', onError)
      socket.once('close', onClose)
      signal?.addEventListener('abort', onAbort, { once: true })
    })
  }
}
