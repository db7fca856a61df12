import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it, onTestFinished } from 'vitest'
import { OPERATIONS_PATH, renderOperationsDocs } from '../../scripts/generate-operations-docs.js'
import { METRICS } from '../../src/status/index.js'

const DEPLOY = fileURLToPath(new URL('../../deploy', import.meta.url))
const ALERTS = readFileSync(`${DEPLOY}/prometheus/walship-alerts.yml`, 'utf8')
const TESTS = readFileSync(`${DEPLOY}/prometheus/walship-alerts.test.yml`, 'utf8')
const DASHBOARD = readFileSync(`${DEPLOY}/grafana/walship-dashboard.json`, 'utf8')
const OPERATIONS = readFileSync(OPERATIONS_PATH, 'utf8')

const NAMES = new Set(METRICS.map(({ name }) => name))
const ALERT_NAMES = [...ALERTS.matchAll(/- alert: (\w+)/g)].map(([, name]) => name!)
const namesIn = (text: string) => text.match(/\b(?:walship|process)_[a-z_]+\b/g) ?? []

const PROMTOOL = spawnSync('promtool', ['--version']).status === 0
const SYSTEMD = spawnSync('systemd-analyze', ['--version']).status === 0
if (!PROMTOOL) console.warn("!! NO PROMTOOL: Debian's package prometheus is missing; alert rules are not run")
if (!SYSTEMD) console.warn('!! NO SYSTEMD-ANALYZE: the unit is not checked')

describe('alert rules', () => {
  it('look at metrics that exist', () => {
    expect(ALERT_NAMES.length).toBeGreaterThan(10)
    for (const name of namesIn(ALERTS.replace(/#.*/g, ''))) expect(NAMES).toContain(name)
  })

  it('each have a test that makes them fire, and a runbook', () => {
    for (const name of ALERT_NAMES) {
      expect(TESTS).toContain(`alertname="${name}"`)
      expect(OPERATIONS).toContain(`### ${name}\n`)
      expect(ALERTS).toContain(`runbook: docs/operations.md#${name.toLowerCase()}`)
    }
  })

  it('each have a runbook that says when it fires and what to do, and no other has', () => {
    const section = OPERATIONS.slice(
      OPERATIONS.indexOf('\n## Alerts\n'),
      OPERATIONS.indexOf('\n## As a service\n'),
    )
    const runbooks = new Map(
      section
        .split('\n### ')
        .slice(1)
        .map((text) => text.split(/\n([\s\S]*)/, 2) as [string, string]),
    )
    expect([...runbooks.keys()].sort()).toEqual([...ALERT_NAMES].sort())
    for (const [name, text] of runbooks) {
      expect(text, name).toMatch(/^\*[^*]+\.\*(,| )/)
      // More than when it fires, unless another one has it.
      const rest = text.replace(/^\*[^*]+\*/, '').trim()
      expect(rest.length, name).toBeGreaterThan(/As (above|\[)/.test(rest) ? 8 : 80)
    }
  })

  it('tell which cluster it is, where it is about one', () => {
    for (const rule of ALERTS.split('- alert: ').slice(1)) {
      const isOfProcess = /^(WalshipDown|WalshipRestarts)\n/.test(rule)
      expect(rule.includes('$labels.cluster'), rule).toBe(!isOfProcess)
      expect(rule).not.toContain('on (instance, job)')
    }
  })

  it.skipIf(!PROMTOOL)('fire when they should, and only then', () => {
    const cwd = `${DEPLOY}/prometheus`
    execFileSync('promtool', ['check', 'rules', '--lint=all', 'walship-alerts.yml'], { cwd })
    execFileSync('promtool', ['test', 'rules', 'walship-alerts.test.yml'], { cwd })
  })
})

describe('the dashboard', () => {
  const dashboard = JSON.parse(DASHBOARD) as {
    panels: { id: number; title: string; gridPos: { x: number; w: number }; targets: { expr: string }[] }[]
  }

  it('asks for metrics that exist', () => {
    const expressions = dashboard.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr))
    expect(expressions.length).toBeGreaterThan(10)
    for (const name of expressions.flatMap(namesIn)) expect(NAMES).toContain(name)
  })

  it('has panels with ids of their own, within the grid', () => {
    const ids = dashboard.panels.map(({ id }) => id)
    expect(new Set(ids).size).toBe(ids.length)
    for (const { gridPos } of dashboard.panels) expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24)
  })

  it.skipIf(!PROMTOOL)('has expressions that Prometheus can read', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'walship-dashboard-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    const rules = dashboard.panels.flatMap(({ targets }) =>
      targets.map(({ expr }) => {
        const text = expr
          .replaceAll('$__rate_interval', '1m')
          .replaceAll('$instance', '.*')
          .replaceAll('$cluster', '.*')
        return { record: 'check', expr: text }
      }),
    )
    // JSON is YAML. Each in a group of its own: promtool refuses two rules that record the same.
    const groups = rules.map((rule, index) => ({ name: `panel-${index}`, rules: [rule] }))
    await writeFile(join(folder, 'rules.yml'), JSON.stringify({ groups }))
    execFileSync('promtool', ['check', 'rules', '--lint=none', 'rules.yml'], { cwd: folder })
  })
})

describe('the unit', () => {
  it.skipIf(!SYSTEMD)('is one that systemd understands', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'walship-unit-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    const unit = readFileSync(`${DEPLOY}/systemd/walship.service`, 'utf8')
    // It looks for the program, which is not installed here.
    await writeFile(join(folder, 'walship.service'), unit.replace('/usr/bin/walship', '/bin/true'))
    const { status, stderr } = spawnSync('systemd-analyze', ['verify', join(folder, 'walship.service')])
    expect(String(stderr)).not.toContain('walship.service')
    expect(status).toBe(0)
  })
})

describe('docs/operations.md', () => {
  it('has the table that scripts/generate-operations-docs.ts makes', () => {
    expect(renderOperationsDocs(OPERATIONS)).toBe(OPERATIONS)
    for (const name of NAMES) expect(OPERATIONS).toContain(`| \`${name}\` |`)
  })

  it('has no link that leads nowhere', () => {
    const anchors = [...OPERATIONS.matchAll(/^#+ (.*)$/gm)].map(([, title]) =>
      title!.toLowerCase().replaceAll(' ', '-'),
    )
    for (const [, anchor] of OPERATIONS.matchAll(/\]\(#([^)]*)\)/g)) expect(anchors).toContain(anchor)
  })
})
