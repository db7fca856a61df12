import { METRICS } from './metric-table.js'
import type { StatusSnapshot } from './snapshot.js'

/** Of the text format, as Prometheus has it. */
export const METRICS_CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

/**
 * The snapshot in Prometheus' text format. From a fresh registry each time: what is not known is then
 * absent, where a registry that lives on would go on telling its last value, or 0.
 */
export async function renderMetrics(snapshot: StatusSnapshot): Promise<string> {
  // At its first use: most commands load this room and never make metrics, and it takes a tenth of their start.
  const { Counter, Gauge, Registry } = await import('prom-client')
  const registry = new Registry()
  for (const { name, type, help, samples } of METRICS) {
    const known = samples(snapshot).filter(({ value }) => value !== null)
    if (known.length === 0) continue
    const labelNames = Object.keys(known[0]!.labels ?? {})
    const options = { name, help, labelNames, registers: [registry] }
    if (type === 'counter') {
      const metric = new Counter(options)
      for (const { labels = {}, value } of known) metric.inc(labels, value!)
    } else {
      const metric = new Gauge(options)
      for (const { labels = {}, value } of known) metric.set(labels, value!)
    }
  }
  return registry.metrics()
}
