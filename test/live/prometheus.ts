/** Debian's Prometheus with the alert rules of deploy/, in a time where a minute is a second. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { waitFor } from '../../scripts/wait-for.js'

const RULES = fileURLToPath(new URL('../../deploy/prometheus/walship-alerts.yml', import.meta.url))

export const HAVE_PROMETHEUS = spawnSync('prometheus', ['--version']).status === 0

export const ALERT_NAMES = [...readFileSync(RULES, 'utf8').matchAll(/- alert: (\w+)/g)].map(
  ([, name]) => name!,
)

/** An alert that has fired at some time, as `name` or `name cluster`. */
export type FiredAlert = string

/**
 * The rules with every minute made a second: how long something must last, how far back is looked, what ages count.
 * Nothing else is changed.
 */
export function hastened(rules: string): string {
  const secondsOf = (count: string, unit: string) => `${Number(count) * (unit === 'h' ? 60 : 1)}s`
  return rules
    .replace(/for: (\d+)([mh])/g, (_all, count, unit) => `for: ${secondsOf(count, unit)}`)
    .replace(/\[(\d+)([mh])\]/g, (_all, count, unit) => `[${secondsOf(count, unit)}]`)
    .replace(/(_seconds(?:\{[^}]*\})? > )(\d+)/g, (_all, left, limit) => `${left}${Number(limit) / 60}`)
    .replace(/\* 3600\b/g, '* 60')
}

/** A port nobody listens on now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

export class Prometheus implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #folder: string
  readonly #url: string

  private constructor(child: ChildProcess, folder: string, url: string) {
    this.#child = child
    this.#folder = folder
    this.#url = url
    process.once('exit', this.#killAtExit)
  }

  /** @param targets `host:port` of each walship */
  static async start(targets: readonly string[]): Promise<Prometheus> {
    const folder = await mkdtemp(join(tmpdir(), 'walship-prometheus-'))
    await writeFile(join(folder, 'rules.yml'), hastened(readFileSync(RULES, 'utf8')))
    // JSON is YAML.
    const config = {
      global: { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' },
      rule_files: ['rules.yml'],
      scrape_configs: [{ job_name: 'walship', static_configs: [{ targets }] }],
    }
    await writeFile(join(folder, 'prometheus.yml'), JSON.stringify(config))
    const address = `127.0.0.1:${await freePort()}`
    const child = spawn(
      'prometheus',
      [
        '--config.file=prometheus.yml',
        `--storage.tsdb.path=${join(folder, 'data')}`,
        `--web.listen-address=${address}`,
        '--log.level=error',
      ],
      { cwd: folder, stdio: ['ignore', 'inherit', 'inherit'] },
    )
    const made = new Prometheus(child, folder, `http://${address}`)
    await waitFor('Prometheus to be ready', async () => {
      return await fetch(`http://${address}/-/ready`).then(
        ({ ok }) => ok,
        () => false,
      )
    })
    return made
  }

  /** All that have fired until now. */
  async fired(): Promise<Set<FiredAlert>> {
    const query = 'count by (alertname, cluster) (max_over_time(ALERTS{alertstate="firing"}[1h]))'
    const answer = await fetch(`${this.#url}/api/v1/query?query=${encodeURIComponent(query)}`)
    const { data } = (await answer.json()) as { data: { result: { metric: Record<string, string> }[] } }
    return new Set(
      data.result.map(({ metric: { alertname, cluster } }) =>
        cluster === undefined ? alertname! : `${alertname} ${cluster}`,
      ),
    )
  }

  async hasFired(alert: FiredAlert, timeoutMs: number): Promise<void> {
    await waitFor(`${alert} to fire`, async () => (await this.fired()).has(alert), timeoutMs)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    process.off('exit', this.#killAtExit)
    this.#child.kill('SIGKILL')
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, 'exit')
    await rm(this.#folder, { recursive: true, force: true })
  }

  readonly #killAtExit = () => {
    this.#child.kill('SIGKILL')
  }
}
