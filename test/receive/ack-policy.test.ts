import { describe, expect, it } from 'vitest'
import { chooseAckPolicy } from '../../src/receive/index.js'
import { toLsn } from '../../src/wal/index.js'

const at = { written: toLsn(200n), flushed: toLsn(100n) }

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
