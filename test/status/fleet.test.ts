import { describe, expect, it } from 'vitest'
import {
  buildSnapshot,
  DEFAULT_THRESHOLDS,
  fleetOf,
  renderFleetText,
  renderMetrics,
  type StatusFacts,
  statusOf,
} from '../../src/status/index.js'
import { knownFacts } from './known-facts.js'

const snapshot = (changes: Partial<StatusFacts>) => buildSnapshot(knownFacts(changes), DEFAULT_THRESHOLDS)
const well = snapshot({ cluster: 'main' })
const warned = snapshot({ cluster: 'warned', archive: { ...knownFacts().archive!, state: 'failing' } })
const failed = snapshot({
  cluster: 'failed',
  stream: {
    ...knownFacts().stream,
    state: 'failed',
    lastError: { code: 'X', message: 'one\n\ttwo', at: '2026-01-02T03:04:00.000Z' },
  },
})

describe('several clusters', () => {
  it('are as the worst of them is, and name it', () => {
    expect(fleetOf([well, failed, warned])).toMatchObject({
      level: 'danger',
      headline: 'failed: given up: one two',
      ready: false,
    })
    expect(fleetOf([well, warned])).toMatchObject({ level: 'warning', ready: true })
    expect(fleetOf([well, well])).toMatchObject({ level: 'safe', headline: 'all 2 clusters are safe' })
    expect(fleetOf([failed, well, failed]).headline).toContain(', and 1 other like it')
    const unknown = snapshot({ cluster: 'new', stream: { ...knownFacts().stream, state: 'connecting' } })
    expect(fleetOf([warned, unknown]).level).toBe('unknown')
  })

  it('are told as one snapshot only where there is the one of a command line', () => {
    const sole = snapshot({})
    expect(statusOf([sole])).toBe(sole)
    expect(statusOf([well])).toMatchObject({ formatVersion: 1, clusters: [{ cluster: 'main' }] })
  })

  it('have a block each on a terminal', () => {
    expect(renderFleetText(fleetOf([well, failed]), { color: false })).toBe(
      `IN DANGER: failed: given up: one two

main    SAFE: everything is archived but the last 2 s (384 bytes)
        streaming, written up to date, archived 2 s behind
failed  IN DANGER: given up: one two
        failed, written up to date, archived 2 s behind

--cluster NAME shows one of them whole.
`,
    )
    expect(renderFleetText(fleetOf([failed]), { color: true })).toContain('\u001b[31mIN DANGER\u001b[0m')
  })

  it('carry a label in metrics, but for what is of the process', async () => {
    const text = await renderMetrics([well, failed])
    expect(text).toContain('walship_failed{cluster="main"} 0\nwalship_failed{cluster="failed"} 1\n')
    expect(text).toContain('walship_lag_seconds{cluster="main",position="archived"} 2\n')
    expect(text.match(/^walship_build_info.*$/gm)).toEqual(['walship_build_info{version="1.2.3"} 1'])
    expect(text.match(/^process_[a-z_]+ /gm)).toHaveLength(3)
    expect(await renderMetrics([snapshot({})])).not.toContain('cluster=')
  })
})
