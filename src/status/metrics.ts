import { METRICS, type MetricDeclaration, type Sample } from './metric-table.js'
import type { StatusSnapshot } from './snapshot.js'

/** Of the text format, as Prometheus has it. */
export const METRICS_CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

/**
 * Snapshots of all clusters of the process in Prometheus' text format; those that have a name carry it in the label
 * `cluster`. From a fresh registry each time: what is not known is then absent, where a registry that lives on would
 * go on telling its last value, or 0.
 *
 * @param clusters one at least
 */
export async function renderMetrics(clusters: readonly StatusSnapshot[]): Promise<string> {
  // At its first use: most commands load this room and never make metrics, and it takes a tenth of their start.
  const { Counter, Gauge, Registry } = await import('prom-client')
  const registry = new Registry()
  for (const metric of METRICS) {
    const { name, type, help } = metric
    const known = samplesOf(metric, clusters)
    if (known.length === 0) continue
    const labelNames = Object.keys(known[0]!.labels ?? {})
    const options = { name, help, labelNames, registers: [registry] }
    if (type === 'counter') {
      const counter = new Counter(options)
      for (const { labels = {}, value } of known) counter.inc(labels, value!)
    } else {
      const gauge = new Gauge(options)
      for (const { labels = {}, value } of known) gauge.set(labels, value!)
    }
  }
  return registry.metrics()
}

/** Those whose value is known. */
function samplesOf(
  { samples, ofProcess = false }: MetricDeclaration,
  clusters: readonly StatusSnapshot[],
): Sample[] {
  return (ofProcess ? clusters.slice(0, 1) : clusters).flatMap((snapshot) => {
    const own: Sample['labels'] = snapshot.cluster === null || ofProcess ? {} : { cluster: snapshot.cluster }
    return samples(snapshot)
      .filter(({ value }) => value !== null)
      .map(({ labels, value }) => ({ labels: { ...own, ...labels }, value }))
  })
}
