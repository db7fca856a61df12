import { type Lsn, lsnAdd, pgTimeToDate } from '../wal/index.js'
import { utf8Text } from './text-decoding.js'

/** What all messages of a stream have in common. */
export interface MessageSource {
  /** Text, in place of bytes, is what `payload` gives. */
  readonly decode: boolean
  /** How the stream's text is encoded. */
  readonly toText: (bytes: Buffer) => string
}

/** For messages that come from no stream, as tests make them. */
const NO_SOURCE: MessageSource = { decode: false, toText: utf8Text }

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
    return (this.#source.decode ? this.text : this.bytes) as Payload
  }

  /** The payload as text, whatever `decode` says. */
  get text(): string {
    this.#text ??= this.#source.toText(this.bytes)
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

  /** The server's clock when it sent this, to the millisecond. */
  get sendTime(): Date {
    return pgTimeToDate(this.sendTimeMicros)
  }
}
