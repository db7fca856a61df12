import { execFileSync, spawnSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { buildSnapshot, DEFAULT_THRESHOLDS, METRICS, renderMetrics } from '../../src/status/index.js'
import { knownFacts } from './known-facts.js'

const render = (changes = {}) => renderMetrics([buildSnapshot(knownFacts(changes), DEFAULT_THRESHOLDS)])

const PROMTOOL = spawnSync('promtool', ['--version']).status === 0

describe('metrics', () => {
  it('tell every declared metric when all is known', async () => {
    const text = await render()
    for (const { name, type } of METRICS) expect(text).toContain(`# TYPE ${name} ${type}\n`)
  })

  it('carry the numbers of the snapshot', async () => {
    const text = await render()
    expect(text).toContain('walship_lag_seconds{position="archived"} 2\n')
    expect(text).toContain('walship_lag_bytes{position="archived"} 384\n')
    expect(text).toContain('walship_possible_loss_bytes{lost="both"} 384\n')
    expect(text).toContain(`walship_position_lsn_bytes{position="written"} ${0x3000200}\n`)
    expect(text).toContain('walship_slot_wal_status{status="reserved"} 1\n')
    expect(text).toContain('walship_slot_wal_status{status="lost"} 0\n')
  })

  it('leave out what is not known, instead of calling it 0', async () => {
    const positions = { ...knownFacts().positions, verified: null }
    const text = await render({ archive: null, coverage: null, positions })
    expect(text).not.toContain('walship_archive_')
    expect(text).not.toContain('position="verified"')
    expect(text).not.toContain('lost="both"')
    expect(text).toContain('lost="server"')
  })

  if (!PROMTOOL)
    console.warn("!! NO PROMTOOL: Debian's package prometheus is missing; metrics are not linted")
  it.skipIf(!PROMTOOL)('please promtool', async () => {
    expect(execFileSync('promtool', ['check', 'metrics'], { input: await render() }).toString()).toBe('')
  })
})
