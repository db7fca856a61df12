import type { ReaderSource } from './content-reader.js'
import type { StoreCompression } from './store-compression.js'

/** What the thread is asked. One question at a time for each object; each gets exactly one answer. */
export type PackingRequest = {
  /** Names the object. */
  readonly id: number
} & (
  | {
      readonly kind: 'begin'
      readonly compression: StoreCompression
      /** Takes the packed bytes: of `packedBound` bytes at least. */
      readonly body: SharedArrayBuffer
      /** Reads the content besides. */
      readonly reader: ReaderSource | undefined
    }
  /** The next bytes of the content: the first `length` of the memory. */
  | { readonly kind: 'piece'; readonly memory: SharedArrayBuffer; readonly length: number }
  | { readonly kind: 'end' }
  /** Without a beginning or an end: bytes to make LZ4 blocks of, framed, into a body of `packedBound` bytes. */
  | {
      readonly kind: 'blocks'
      readonly memory: SharedArrayBuffer
      readonly length: number
      readonly body: SharedArrayBuffer
    }
  /** Nobody wants it any more. */
  | { readonly kind: 'cancel' }
)

export type PackingAnswer = { readonly id: number } & (
  | { readonly kind: 'begun' }
  /** A piece was taken in: its memory is free. */
  | { readonly kind: 'taken' }
  | { readonly kind: 'blocks'; readonly length: number }
  | {
      readonly kind: 'packed'
      readonly length: number
      /** Of the content, in hexadecimal digits. */
      readonly sha256: string
      /** Of the packed bytes, in hexadecimal digits. */
      readonly packedSha256: string
      /** By the reader. */
      readonly found: Uint8Array | null
    }
  | { readonly kind: 'cancelled' }
  | { readonly kind: 'failed'; readonly message: string }
)
