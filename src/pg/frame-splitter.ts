import { type Lsn, toLsn } from '../wal/index.js'
import { ProtocolError } from './errors.js'

/** Receives what the splitter cuts. Whatever it throws ends the connection. */
export interface FrameHandler {
  /** A whole frame, type byte and length included. Valid only until this returns. */
  onFrame(type: number, frame: Buffer): void
}

/** Receives the CopyData messages of a replication stream (PostgreSQL chapter 54.4). */
export interface CopyStreamHandler {
  /** XLogData begins: `payloadLength` bytes of payload follow as spans. */
  onXLogData(dataStart: Lsn, walEnd: Lsn, sendTime: bigint, payloadLength: number): void
  /** The next bytes of the payload. Valid only until this returns, unless held. */
  onSpan(span: Buffer): void
  /** The payload is complete. */
  onXLogDataEnd(): void
  onKeepalive(walEnd: Lsn, sendTime: bigint, replyRequested: boolean): void
  /** A message type that is not known here (version 19 adds one). */
  onUnknown(type: number): void
  /** Everything in the bytes that were pushed has been handed over. */
  onReadEnd(): void
}

const FRAME_HEADER = 5
const XLOG_DATA_HEADER = 25
const KEEPALIVE_LENGTH = 18
const COPY_DATA = 0x64 // 'd'
const XLOG_DATA = 0x77 // 'w'
const KEEPALIVE = 0x6b // 'k'

/** The types that a backend may send. Anything else means the two sides lost step. */
const BACKEND_TYPES = new Set(Buffer.from('RSKZCTDENAIVWGHdcv123nst'))

/** Largest frame outside a stream: command results, errors, settings. */
export const MAX_COMMAND_FRAME = 16 * 1024 * 1024

/** What a frame's own word gets it at once, in bytes; more room is made as its bytes come. */
const FIRST_ROOM = 64 * 1024

/**
 * Cuts a byte stream into protocol frames.
 *
 * Outside a stream every frame is handed over whole. While `stream` is set, CopyData is
 * never put together: its small header is parsed, and the payload goes on as views of the
 * very bytes that were read, however the network cut them. The change happens between two
 * frames, also in the middle of a chunk, so that not a byte after CopyBothResponse is missed.
 *
 * Not promised here: that positions follow each other (the stream checks that).
 */
export class FrameSplitter {
  /** Set while in COPY BOTH; CopyData goes there. */
  stream: CopyStreamHandler | null = null
  /** Largest CopyData accepted in a stream, in bytes. */
  maxCopyData = 2 * 1024 * 1024
  /** Largest frame accepted outside of a stream, in bytes: less is enough before anybody has proved who he is. */
  maxFrame = MAX_COMMAND_FRAME

  readonly #handler: FrameHandler
  /** Start of a frame that was cut by the end of a chunk. */
  readonly #scratch = Buffer.allocUnsafeSlow(FRAME_HEADER + XLOG_DATA_HEADER)
  #scratchLength = 0
  #spanRemaining = 0
  #inXLogData = false
  #skipRemaining = 0
  #frame: Buffer | null = null
  #frameLength = 0
  #frameFilled = 0

  constructor(handler: FrameHandler) {
    this.#handler = handler
  }

  /** @throws ProtocolError for a frame that no server sends */
  push(chunk: Buffer): void {
    let offset = 0
    while (offset < chunk.length) {
      if (this.#inXLogData) offset = this.#pushSpan(chunk, offset)
      else if (this.#frame !== null) offset = this.#fillFrame(chunk, offset)
      else if (this.#skipRemaining > 0) {
        const step = Math.min(this.#skipRemaining, chunk.length - offset)
        this.#skipRemaining -= step
        offset += step
      } else offset = this.#pushHeader(chunk, offset)
    }
    this.stream?.onReadEnd()
  }

  #pushSpan(chunk: Buffer, offset: number): number {
    const end = Math.min(chunk.length, offset + this.#spanRemaining)
    this.#spanRemaining -= end - offset
    const done = this.#spanRemaining === 0
    if (done) this.#inXLogData = false
    this.stream?.onSpan(offset === 0 && end === chunk.length ? chunk : chunk.subarray(offset, end))
    if (done) this.stream?.onXLogDataEnd()
    return end
  }

  #fillFrame(chunk: Buffer, offset: number): number {
    let frame = this.#frame!
    if (this.#frameFilled === frame.length) {
      frame = Buffer.allocUnsafe(Math.min(this.#frameLength, 2 * frame.length))
      this.#frame!.copy(frame)
      this.#frame = frame
    }
    const copied = chunk.copy(frame, this.#frameFilled, offset)
    this.#frameFilled += copied
    this.#endFrame()
    return offset + copied
  }

  #endFrame(): void {
    const frame = this.#frame!
    if (this.#frameFilled < this.#frameLength) return
    this.#frame = null
    this.#dispatch(frame)
  }

  /** Parses a frame's header in place where the chunk holds it whole, else collects it. */
  #pushHeader(chunk: Buffer, offset: number): number {
    if (this.#scratchLength === 0) {
      const available = chunk.length - offset
      const need = available < FRAME_HEADER ? FRAME_HEADER : this.#headerLength(chunk, offset, available)
      if (available >= need) return this.#begin(chunk, offset, need, offset + need, chunk)
    }
    let position = offset
    while (position < chunk.length) {
      const need =
        this.#scratchLength < FRAME_HEADER
          ? FRAME_HEADER
          : this.#headerLength(this.#scratch, 0, this.#scratchLength)
      if (this.#scratchLength >= need) break
      this.#scratch[this.#scratchLength++] = chunk[position++]!
    }
    if (this.#scratchLength >= FRAME_HEADER) {
      const need = this.#headerLength(this.#scratch, 0, this.#scratchLength)
      if (this.#scratchLength >= need) {
        this.#scratchLength = 0
        return this.#begin(this.#scratch, 0, need, position, chunk)
      }
    }
    return position
  }

  /** How many bytes from the frame's start are needed to know what to do with it. */
  #headerLength(bytes: Buffer, at: number, available: number): number {
    const type = bytes[at]!
    const length = bytes.readUInt32BE(at + 1)
    if (!BACKEND_TYPES.has(type) || length < 4) {
      throw new ProtocolError(
        `lost synchronization with server: got message type "${String.fromCharCode(type)}", length ${length}`,
      )
    }
    if (this.stream === null || type !== COPY_DATA) {
      if (length > this.maxFrame) {
        throw new ProtocolError(`message of type "${String.fromCharCode(type)}" is too long: ${length} bytes`)
      }
      return FRAME_HEADER
    }
    const body = length - 4
    if (body > this.maxCopyData) throw new ProtocolError(`replication message is too long: ${body} bytes`)
    if (body === 0) throw new ProtocolError('received an empty replication message')
    if (available <= FRAME_HEADER) return FRAME_HEADER + 1
    const kind = bytes[at + FRAME_HEADER]!
    const header = kind === XLOG_DATA ? XLOG_DATA_HEADER : kind === KEEPALIVE ? KEEPALIVE_LENGTH : 1
    if (body < header) throw new ProtocolError(`streaming header too small: ${body}`)
    return FRAME_HEADER + header
  }

  /** Starts the frame whose header lies at `at` in `bytes`; its body goes on at `next` in `chunk`. */
  #begin(bytes: Buffer, at: number, need: number, next: number, chunk: Buffer): number {
    const type = bytes[at]!
    const length = bytes.readUInt32BE(at + 1)
    const stream = this.stream
    if (stream === null || type !== COPY_DATA) {
      const end = next - need + 1 + length
      if (bytes === chunk && end <= chunk.length) {
        this.#dispatch(chunk.subarray(at, end))
        return end
      }
      this.#frameLength = 1 + length
      this.#frame = Buffer.allocUnsafe(Math.min(this.#frameLength, FIRST_ROOM))
      bytes.copy(this.#frame, 0, at, at + need)
      this.#frameFilled = need
      this.#endFrame()
      return next
    }
    const body = at + FRAME_HEADER
    const kind = bytes[body]!
    if (kind === XLOG_DATA) {
      const payload = length - 4 - XLOG_DATA_HEADER
      this.#spanRemaining = payload
      this.#inXLogData = payload > 0
      stream.onXLogData(
        toLsn(bytes.readBigUInt64BE(body + 1)),
        toLsn(bytes.readBigUInt64BE(body + 9)),
        bytes.readBigInt64BE(body + 17),
        payload,
      )
      if (payload === 0) stream.onXLogDataEnd()
    } else if (kind === KEEPALIVE) {
      this.#skipRemaining = length - 4 - KEEPALIVE_LENGTH
      stream.onKeepalive(
        toLsn(bytes.readBigUInt64BE(body + 1)),
        bytes.readBigInt64BE(body + 9),
        bytes[body + 17] !== 0,
      )
    } else {
      this.#skipRemaining = length - 5
      stream.onUnknown(kind)
    }
    return next
  }

  #dispatch(frame: Buffer): void {
    this.#handler.onFrame(frame[0]!, frame)
  }
}
