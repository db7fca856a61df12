import {
  droppedNumbers,
  parseServerRecord,
  parseTransaction,
  type WalRecord,
  xidPrecedes,
} from '../records/index.js'
import { type Lsn, lsnAdd, segmentNumber } from '../wal/index.js'
import type { LineFacts, SegmentFacts } from './line-facts.js'
import type { Located, LocateQuery, RecoveryTarget } from './locate-query.js'
import { firstCommitAfter } from './search-commits.js'
import { type EndedTransaction, isCommit, isRewrite, TransactionCollector } from './transactions.js'

/** Segments read for a transaction before the one that it ends in. */
const LOOK_BACK = 8

type Answer = Pick<Located, 'targets'> & Partial<Pick<Located, 'record' | 'restorePoint' | 'transactions'>>

/** Looks for one thing on the way to a timeline: what it may be in, by the indexes; what it is, by the records. */
export class LineSearch {
  readonly #line: LineFacts
  readonly #segmentSize: number

  constructor(line: LineFacts, segmentSize: number) {
    this.#line = line
    this.#segmentSize = segmentSize
  }

  /** @returns null when it is not there */
  find(query: LocateQuery): Promise<Answer | null> {
    switch (query.kind) {
      case 'time':
        return this.#time(query.time)
      case 'around':
        return this.#around(query.time, query.windowMicros)
      case 'xid':
        return this.#xid(query.xid)
      case 'lsn':
        return this.#lsn(query.lsn)
      case 'restore-point':
        return this.#restorePoint(query.name)
      case 'drop':
        return this.#drop(query.number)
    }
  }

  async #time(time: bigint): Promise<Answer | null> {
    const number = await firstCommitAfter(this.#line, time)
    if (number === null) return null
    const later = await this.#ended(number, number, (each) => isCommit(each) && each.time > time)
    const first = later[0]
    return first === undefined
      ? null
      : { targets: [this.#target(first, false, 'every commit up to that time')] }
  }

  async #around(time: bigint, windowMicros: bigint): Promise<Answer | null> {
    const from = time - windowMicros
    const to = time + windowMicros
    const first = await firstCommitAfter(this.#line, from - 1n)
    if (first === null) return null
    let last = first
    for (let number = first + 1; number < this.#line.files.length; number++) {
      const facts = await this.#line.facts(number)
      const begin = facts?.index.firstCommitTime ?? null
      if (begin !== null && begin > to) break
      last = number
    }
    const transactions = await this.#ended(first, last, (each) => each.time >= from && each.time <= to)
    return transactions.length === 0 ? null : { transactions, targets: [] }
  }

  async #xid(xid: number): Promise<Answer | null> {
    const isOf = (each: EndedTransaction) =>
      each.kind !== 'prepare' && (each.xid === xid || each.subtransactions.includes(xid))
    const mayHold = ({ index, between }: SegmentFacts) => {
      const { oldestXid, newestXid } = index
      if (between !== null && endsTransaction(between, xid)) return true
      return oldestXid !== null && !xidPrecedes(xid, oldestXid) && !xidPrecedes(newestXid!, xid)
    }
    for await (const number of this.#fromNewest(mayHold)) {
      const [last] = await this.#ended(number, number, isOf)
      if (last === undefined) continue
      // Where it began is not known; the segments before it that may hold records of it are read too.
      let begin = number
      while (begin > 0 && number - begin < LOOK_BACK) {
        const facts = await this.#line.facts(begin - 1)
        if (facts === null || !mayHold(facts)) break
        begin--
      }
      const transactions = begin === number ? [last] : await this.#ended(begin, number, isOf)
      return {
        transactions: transactions.slice(-1),
        targets: this.#aroundRecord(last, 'the transaction'),
      }
    }
    return null
  }

  async #lsn(lsn: Lsn): Promise<Answer | null> {
    const segment = segmentNumber(lsn, this.#segmentSize)
    const number = this.#line.files.findIndex((file) => file.segment === segment)
    if (number === -1) return null
    let found: WalRecord | null = null
    const collector = new TransactionCollector()
    let transaction: EndedTransaction | null = null
    await this.#line.scan(Math.max(0, number - 1), number, (record) => {
      const ended = collector.take(record)
      if (record.lsn > lsn || record.endLsn <= lsn) return
      found = record
      transaction = ended
    })
    if (found === null) return null
    const { lsn: begin, resourceManager: manager, xid } = found as WalRecord
    return {
      record: { lsn: begin, manager, xid },
      transactions: transaction === null ? [] : [transaction],
      targets: this.#aroundRecord(found, 'the record'),
    }
  }

  async #restorePoint(name: string): Promise<Answer | null> {
    const isOf = (record: WalRecord) => {
      const server = parseServerRecord(record)
      return server?.kind === 'restore-point' && server.name === name
    }
    const mayHold = ({ index, between }: SegmentFacts) =>
      index.dropped === null ||
      index.restorePoints.some((point) => point.name === name) ||
      (between !== null && isOf(between))
    for await (const number of this.#fromNewest(mayHold)) {
      const found: WalRecord[] = []
      await this.#line.scan(number, number, (record) => {
        if (isOf(record)) found.push(record)
      })
      const last = found.at(-1)
      if (last === undefined) continue
      const point = parseServerRecord(last)
      const time = point?.kind === 'restore-point' ? point.time : 0n
      return {
        restorePoint: { name, lsn: last.lsn, time },
        targets: [this.#target(last, true, 'everything up to the restore point')],
      }
    }
    return null
  }

  async #drop(wanted: number): Promise<Answer | null> {
    const isOf = (each: EndedTransaction) => isCommit(each) && each.droppedNumbers.includes(wanted)
    const mayHold = ({ index, between }: SegmentFacts) =>
      index.dropped === null ||
      index.dropped.includes(wanted) ||
      (between !== null && droppedNumbers(between).includes(wanted))
    const rewrites: EndedTransaction[] = []
    for await (const number of this.#fromNewest(mayHold)) {
      const found = await this.#ended(Math.max(0, number - 1), number, isOf)
      const drops = found.filter((each) => !isRewrite(each, wanted))
      const drop = drops.at(-1)
      if (drop !== undefined)
        return this.#dropAnswer(
          drop,
          rewrites.filter(({ lsn }) => lsn > drop.lsn),
        )
      rewrites.unshift(...found.filter(({ lsn }) => !rewrites.some((each) => each.lsn === lsn)))
    }
    const last = rewrites.at(-1)
    return last === undefined ? null : this.#dropAnswer(last, rewrites.slice(0, -1))
  }

  #dropAnswer(drop: EndedTransaction, others: readonly EndedTransaction[]): Answer {
    const transactions = [...others, drop].sort((a, b) => (a.lsn < b.lsn ? -1 : 1))
    return {
      transactions,
      targets: [this.#target(drop, false, `everything before transaction ${drop.xid}`)],
    }
  }

  /** Numbers of segments that may hold what is looked for, the newest first. */
  async *#fromNewest(mayHold: (facts: SegmentFacts) => boolean): AsyncGenerator<number> {
    const count = 16
    for (let number = this.#line.files.length - 1; number >= 0; number--) {
      const done = this.#line.files.length - 1 - number
      if (done % count === 0) await this.#line.prepare(number - count + 1, count)
      const facts = await this.#line.facts(number)
      if (facts !== null && mayHold(facts)) yield number
    }
  }

  async #ended(
    first: number,
    last: number,
    isWanted: (each: EndedTransaction) => boolean,
  ): Promise<EndedTransaction[]> {
    const collector = new TransactionCollector()
    const found: EndedTransaction[] = []
    await this.#line.scan(first, last, (record) => {
      const ended = collector.take(record)
      if (ended !== null && isWanted(ended)) found.push(ended)
    })
    return found
  }

  #aroundRecord(place: Place, what: string): RecoveryTarget[] {
    return [
      this.#target(place, false, `everything before ${what}`),
      this.#target(place, true, `everything up to and with ${what}`),
    ]
  }

  /**
   * On the timeline of the file that holds the record's end: a server reads a record whole before it stops at it, and
   * that file is what it then asks for.
   */
  #target({ lsn, endLsn }: Place, inclusive: boolean, meaning: string): RecoveryTarget {
    const segment = segmentNumber(lsnAdd(endLsn, -1), this.#segmentSize)
    const { timeline } = this.#line.files.find((file) => file.segment === segment)!
    return { lsn, inclusive, meaning, timeline }
  }
}

/** Of a record. */
interface Place {
  readonly lsn: Lsn
  readonly endLsn: Lsn
}

function endsTransaction(record: WalRecord, xid: number): boolean {
  const ended = parseTransaction(record)
  return ended !== null && (ended.xid === xid || ended.subtransactions.includes(xid))
}
