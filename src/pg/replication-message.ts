import { type Lsn, lsnAdd, pgTimeToDate } from '../wal/index.js'
import type { FeedbackOptions } from './stream-contract.js'
import { utf8Text } from './text-decoding.js'

/** How the payloads of a stream are read as text. */
export interface MessageText {
  /** Text, in place of bytes, is what `payload` gives. */
  readonly decode: boolean
  readonly toText: (bytes: Buffer) => string
}

export const PLAIN_BYTES: MessageText = { decode: false, toText: utf8Text }

/** The part of a cursor that a message shows. */
export interface MessageCursor {
  sendFeedback(feedback?: FeedbackOptions): void
  readonly streaming: boolean
  readonly walEnd: Lsn
  readonly ioTimestamp: Date | null
  readonly feedbackTimestamp: Date | null
}

/** What all messages of a stream have in common. */
export interface MessageSource {
  readonly text: MessageText
  readonly cursor: MessageCursor | null
  acknowledge(message: { readonly dataStart: Lsn; readonly dataEnd: Lsn }): void
}

/** For messages that come from no stream, as tests make them. */
const NO_SOURCE: MessageSource = { text: PLAIN_BYTES, cursor: null, acknowledge() {} }

/**
 * One message of a replication stream. Its bytes are its own: they stay as they are for as
 * long as the message is kept.
 */
export class ReplicationMessage<Payload extends Buffer | string = Buffer | string> {
  /** The payload as the server sent it. */
  readonly bytes: Buffer
  /** Position of the payload's first byte. Logical: of the change; 0/0 for what has no place of its own. */
  readonly dataStart: Lsn
  /** The server's own end of WAL when it sent this; not the end of the payload. */
  readonly walEnd: Lsn
  /** The server's clock when it sent this, in microseconds since 2000-01-01 UTC. */
  readonly sendTimeMicros: bigint
  readonly #source: MessageSource
  #text: string | undefined

  constructor(
    bytes: Buffer,
    dataStart: Lsn,
    walEnd: Lsn,
    sendTimeMicros: bigint,
    source: MessageSource = NO_SOURCE,
  ) {
    this.bytes = bytes
    this.dataStart = dataStart
    this.walEnd = walEnd
    this.sendTimeMicros = sendTimeMicros
    this.#source = source
  }

  /** Text when the stream was started with `decode`, else bytes. */
  get payload(): Payload {
    return (this.#source.text.decode ? this.text : this.bytes) as Payload
  }

  /** The payload as text, whatever `decode` says. */
  get text(): string {
    this.#text ??= this.#source.text.toText(this.bytes)
    return this.#text
  }

  /** Bytes of payload. */
  get dataSize(): number {
    return this.bytes.length
  }

  /** Position after the payload's last byte: what to acknowledge once it is safe (physical streams). */
  get dataEnd(): Lsn {
    return lsnAdd(this.dataStart, this.bytes.length)
  }

  /** The cursor that received this; null when the stream was started on the connection itself. */
  get cursor(): MessageCursor | null {
    return this.#source.cursor
  }

  /**
   * Acknowledges this message and all before it: the server need not send them again. The server hears of
   * it with the next status. Call it when what the message says is safe, and not before.
   */
  ack(): void {
    this.#source.acknowledge(this)
  }

  /** The server's clock when it sent this, to the millisecond. */
  get sendTime(): Date {
    return pgTimeToDate(this.sendTimeMicros)
  }
}
