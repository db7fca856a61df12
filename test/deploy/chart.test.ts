/** What the Helm chart makes of its examples, and what it refuses. */
import { describe, expect, it } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { EXAMPLES, findTool, renderChart } from '../../scripts/lint-deploy.js'
import { RECEIVE_OPTIONS } from '../../src/cli/receive-options.js'
import { SHIPPING_OPTIONS } from '../../src/cli/shipping-options.js'
import { STATUS_SERVER_OPTIONS } from '../../src/cli/status-options.js'

const HELM = findTool('helm')
if (HELM === null)
  console.warn('!! NO HELM: the chart is not rendered (scripts/lint-deploy.ts --install gets it)')

interface Manifest {
  readonly kind: string
  // biome-ignore lint/suspicious/noExplicitAny: manifests of many kinds
  readonly spec: any
}

const example = (name: string) => EXAMPLES.find((path) => path.endsWith(`/${name}.yaml`))!

describe.skipIf(HELM === null)('the chart', () => {
  function render(...options: string[]): Map<string, Manifest> {
    const { status, yaml, refusal } = renderChart(HELM!, options)
    expect([status, refusal]).toEqual([0, ''])
    const manifests = parseAllDocuments(yaml).map((document) => document.toJS() as Manifest)
    return new Map(manifests.map((manifest) => [manifest.kind, manifest]))
  }

  it('two receivers: both ready at once, kept apart, each with a directory of its own', () => {
    const manifests = render('-f', example('two-receivers'))
    expect([...manifests.keys()].sort()).toEqual([
      'PodDisruptionBudget',
      'PrometheusRule',
      'Service',
      'ServiceAccount',
      'ServiceMonitor',
      'StatefulSet',
    ])
    const { spec } = manifests.get('StatefulSet')!
    expect(spec).toMatchObject({ replicas: 2, podManagementPolicy: 'Parallel' })
    expect(spec.template.spec.volumes).toEqual([{ name: 'wal', emptyDir: { sizeLimit: '10Gi' } }])
    expect(spec.template.spec.affinity.podAntiAffinity).toBeDefined()
    expect(manifests.get('PodDisruptionBudget')!.spec.maxUnavailable).toBe(1)
    const rules = manifests.get('PrometheusRule')!.spec.groups[0].rules as { alert: string }[]
    expect(rules.map(({ alert }) => alert)).toContain('WalshipNobodyStreams')
  })

  it.each(EXAMPLES.map((path) => [path.split('/').at(-1)!, path]))(
    '%s: an ordinary user on a read-only file system, options that walship knows, no secret in the clear',
    (_name, path) => {
      const pod = render('-f', path).get('StatefulSet')!.spec.template.spec
      expect(pod).toMatchObject({
        automountServiceAccountToken: false,
        securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: 'RuntimeDefault' } },
      })
      const [container] = pod.containers
      expect(container).toMatchObject({
        args: ['receive'],
        securityContext: {
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        },
        livenessProbe: { httpGet: { path: '/healthz', port: 'http' } },
        readinessProbe: { httpGet: { path: '/readyz', port: 'http' } },
      })
      const known = [...RECEIVE_OPTIONS, ...SHIPPING_OPTIONS, ...STATUS_SERVER_OPTIONS].map(
        ({ variable }) => variable,
      )
      for (const { name, value } of container.env as { name: string; value?: string }[]) {
        if (name === 'PGPASSWORD' || name === 'WALSHIP_HTTP_TOKEN') expect(value).toBeUndefined()
        else if (name !== 'WALSHIP_LOG_FORMAT') expect(known).toContain(name)
      }
    },
  )

  it('a volume of its own where the server is told what it holds', () => {
    const { spec } = render('-f', example('volume')).get('StatefulSet')!
    expect(spec.volumeClaimTemplates).toMatchObject([
      { metadata: { name: 'wal' }, spec: { accessModes: ['ReadWriteOnce'], storageClassName: 'fast' } },
    ])
    expect(spec.template.spec.containers[0].env).toContainEqual({ name: 'WALSHIP_ACK', value: 'flushed' })
  })

  it.each([
    [
      'a second receiver that could find a gap',
      ['-f', example('volume'), '--set', 'replicas=2'],
      'set ack=archived',
    ],
    [
      'a directory that goes with the pod while the server is told that it holds WAL',
      ['-f', example('memory'), '--set', 'ack=flushed'],
      'set ack=archived',
    ],
    ['no server', [], 'postgres.connection is empty'],
    [
      'a password in the connection string',
      ['--set', 'postgres.connection=host=db password=secret'],
      'postgres.connection',
    ],
    [
      'an option that is a secret',
      ['-f', example('memory'), '--set', 'options.PGPASSWORD=secret'],
      'options',
    ],
    ['a value that there is not', ['-f', example('memory'), '--set', 'replica=2'], 'replica'],
  ] as const)('refuses %s', (_what, options, words) => {
    const { status, refusal } = renderChart(HELM!, [...options])
    expect(status).not.toBe(0)
    expect(refusal).toContain(words)
    expect(refusal).not.toContain('=secret')
  })
})
