import { describe, expect, it } from 'vitest'
import { ackArchived, ackFlushed, ackVerified, chooseAckPolicy } from '../../src/receive/index.js'
import { toLsn } from '../../src/wal/index.js'

const at = { timeline: 2, written: toLsn(200n), flushed: toLsn(100n) }

describe('chooseAckPolicy', () => {
  it('reports what is on disk with a slot or with --synchronous', () => {
    const expected = { writeLsn: 200n, flushLsn: 100n, applyLsn: 0n }
    expect(chooseAckPolicy({ slotName: 's', synchronous: false })(at)).toEqual(expected)
    expect(chooseAckPolicy({ synchronous: true })(at)).toEqual(expected)
  })

  it('reports no flush position without either, so as not to be a synchronous standby', () => {
    expect(chooseAckPolicy({ synchronous: false })(at)).toEqual({
      writeLsn: 200n,
      flushLsn: 0n,
      applyLsn: 0n,
    })
    expect(chooseAckPolicy({ slotName: '', synchronous: false })(at).flushLsn).toBe(0n)
  })
})

describe('ackVerified', () => {
  it('reports nothing that was not checked, as written or as flushed', () => {
    let verified = toLsn(50n)
    const policy = ackVerified(ackFlushed, () => verified)
    expect(policy(at)).toEqual({ writeLsn: 50n, flushLsn: 50n, applyLsn: 0n })
    verified = toLsn(150n)
    expect(policy(at)).toEqual({ writeLsn: 150n, flushLsn: 100n, applyLsn: 0n })
    verified = toLsn(900n)
    expect(policy(at)).toEqual({ writeLsn: 200n, flushLsn: 100n, applyLsn: 0n })
  })
})

describe('ackArchived', () => {
  it('reports what the archive holds, and never more than was written', () => {
    expect(ackArchived(() => ({ timeline: 2, lsn: toLsn(150n) }))(at)).toEqual({
      writeLsn: 200n,
      flushLsn: 150n,
      applyLsn: 0n,
    })
    expect(ackArchived(() => ({ timeline: 2, lsn: toLsn(900n) }))(at).flushLsn).toBe(200n)
  })

  it('reports nothing while the archive follows another timeline: its position says nothing about this one', () => {
    expect(ackArchived(() => ({ timeline: 1, lsn: toLsn(900n) }))(at).flushLsn).toBe(0n)
    expect(ackArchived(() => null)(at).flushLsn).toBe(0n)
  })
})
