/** The record that disk-shim.c makes of a receiver's calls, played into a model of the disk. */
import { constants, readFileSync } from 'node:fs'
import type { Lsn } from '../../src/wal/index.js'
import { DiskModel, type Inode } from '../support/disk-model.js'
import type { Random } from '../support/random.js'
import { parseStatus } from '../support/scripted-walsender.js'

/** As `enum type` in disk-shim.c. */
const KINDS = [
  '',
  'open',
  'write',
  'written',
  'sync',
  'synced',
  'rename',
  'unlink',
  'truncate',
  'ack',
  'close',
  'start',
] as const

export interface RecordedCall {
  readonly kind: (typeof KINDS)[number]
  /** The open file; numbered anew in each process. */
  readonly file: number
  /** Joins a begin and its end. */
  readonly id: number
  /** A position, size, flags or result. */
  readonly argument: number
  readonly bytes: Buffer
}

const HEAD_LENGTH = 32

/** @param path of the log; a record that the death of the process cut off is left out */
export function readRecord(path: string): RecordedCall[] {
  const log = readFileSync(path)
  const calls: RecordedCall[] = []
  for (let at = 0; at + HEAD_LENGTH <= log.length; ) {
    const length = Number(log.readBigInt64LE(at + 24))
    const end = at + HEAD_LENGTH + length
    if (end > log.length) break
    calls.push({
      kind: KINDS[log.readInt32LE(at)]!,
      file: log.readInt32LE(at + 4),
      id: Number(log.readBigInt64LE(at + 8)),
      argument: Number(log.readBigInt64LE(at + 16)),
      bytes: log.subarray(at + HEAD_LENGTH, end),
    })
    at = end
  }
  return calls
}

interface OpenHandle {
  /** Null: the directory. */
  readonly inode: Inode | null
  readonly writesDurably: boolean
}

/** The disk as the calls leave it, one after the other, over all lives of the receiver. */
export class RecordedDisk {
  readonly model: DiskModel
  /** The highest flush position that was sent to the server so far. */
  acknowledged = 0n as Lsn
  #handles = new Map<number, OpenHandle>()
  readonly #pending = new Map<number, { call: RecordedCall; done?: () => void }>()

  constructor(random: Random) {
    this.model = new DiskModel(random)
  }

  play(call: RecordedCall): void {
    const handle = this.#handles.get(call.file)
    switch (call.kind) {
      case 'start':
        this.#handles = new Map()
        this.#pending.clear()
        break
      case 'open':
        this.#open(call)
        break
      case 'write':
        handle?.inode?.write(call.bytes, call.argument)
        this.#pending.set(call.id, { call })
        break
      case 'written':
        if (handle?.writesDurably) this.#writtenDurably(handle, call)
        this.#pending.delete(call.id)
        break
      case 'sync':
        this.#pending.set(call.id, { call, done: handle?.inode?.beginSync() })
        break
      case 'synced':
        if (call.argument === 0) this.#synced(handle, call)
        this.#pending.delete(call.id)
        break
      case 'rename': {
        const [from, to] = call.bytes.toString().split('/') as [string, string]
        this.model.rename(from, to)
        break
      }
      case 'unlink':
        this.model.unlink(call.bytes.toString())
        break
      case 'truncate':
        handle?.inode?.resize(call.argument)
        break
      case 'ack': {
        const { flush } = parseStatus(call.bytes)
        if (flush > this.acknowledged) this.acknowledged = flush as Lsn
      }
    }
  }

  #open(call: RecordedCall): void {
    const name = call.bytes.toString()
    if (name === '') {
      this.#handles.set(call.file, { inode: null, writesDurably: false })
      return
    }
    const inode = this.model.lookup(name) ?? this.model.create(name)
    if ((call.argument & constants.O_TRUNC) !== 0) inode.resize(0)
    const writesDurably = (call.argument & constants.O_DSYNC) === constants.O_DSYNC
    this.#handles.set(call.file, { inode, writesDurably })
  }

  #writtenDurably(handle: OpenHandle, call: RecordedCall): void {
    const begun = this.#pending.get(call.id)?.call
    if (begun === undefined || call.argument < 0) return
    handle.inode?.writeDurably(begun.bytes.subarray(0, call.argument), begun.argument)
  }

  #synced(handle: OpenHandle | undefined, call: RecordedCall): void {
    if (handle?.inode === null) this.model.syncNames()
    else this.#pending.get(call.id)?.done?.()
  }
}
