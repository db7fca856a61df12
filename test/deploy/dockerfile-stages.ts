/** Carries out the stages of a Dockerfile in folders, as far as they copy files and run npm: no container engine. */
import { execFile } from 'node:child_process'
import { cp, mkdir, readFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { promisify } from 'node:util'

export interface Stage {
  readonly name: string
  /** What `/` is in it. */
  readonly root: string
  readonly environment: Readonly<Record<string, string>>
  readonly user: string
  readonly entrypoint: readonly string[]
  readonly command: readonly string[]
  readonly healthcheck: readonly string[]
  /** What was not carried out here. */
  readonly skipped: readonly string[]
}

/**
 * @param context the folder that files are copied from; what the .dockerignore beside the Dockerfile leaves out is
 *   not there
 * @param folder for the stages' roots
 * @returns the last stage
 */
export async function buildStages(dockerfile: string, context: string, folder: string): Promise<Stage> {
  const text = await readFile(dockerfile, 'utf8')
  const allowed = (await readFile(`${dockerfile}.dockerignore`, 'utf8'))
    .split('\n')
    .filter((line) => line.startsWith('!'))
    .map((line) => line.slice(1))
  const roots = new Map<string, string>()
  let stage!: { -readonly [Key in keyof Stage]: Stage[Key] }
  let directory = '/'
  const inStage = (path: string) => join(stage.root, path.startsWith('/') ? path : join(directory, path))
  for (const [keyword, rest] of instructions(text)) {
    switch (keyword) {
      case 'FROM': {
        const name = / AS (\S+)$/.exec(rest)?.[1] ?? 'last'
        const root = join(folder, name)
        roots.set(name, root)
        const none = { user: '', entrypoint: [], command: [], healthcheck: [], skipped: [] }
        stage = { name, root, environment: {}, ...none }
        directory = '/'
        await mkdir(root)
        break
      }
      case 'WORKDIR':
        directory = rest
        await mkdir(inStage(rest), { recursive: true })
        break
      case 'ENV':
        stage.environment = Object.fromEntries(
          [...rest.matchAll(/(\w+)=(\S+)/g)].map((pair) => pair.slice(1, 3)),
        )
        break
      case 'COPY': {
        const from = /^--from=(\S+) /.exec(rest)?.[1]
        const words = rest.replace(/^--from=\S+ /, '').split(' ')
        const target = words.pop()!
        for (const source of words) {
          const base = from === undefined ? context : roots.get(from)!
          if (from === undefined && !allowed.some((path) => source === path))
            throw new Error(`${source} is copied, and .dockerignore leaves it out`)
          const into = target.endsWith('/') ? join(target, basename(source)) : target
          await mkdir(dirname(inStage(into)), { recursive: true })
          await cp(join(base, source), inStage(into), { recursive: true, verbatimSymlinks: true })
        }
        break
      }
      case 'RUN':
        if (!rest.startsWith('npm ')) {
          stage.skipped = [...stage.skipped, rest]
          break
        }
        await promisify(execFile)('sh', ['-c', rest], { cwd: inStage('.'), env: npmEnvironment() })
        break
      case 'USER':
        stage.user = rest
        break
      case 'ENTRYPOINT':
        stage.entrypoint = JSON.parse(rest)
        break
      case 'CMD':
        stage.command = JSON.parse(rest)
        break
      case 'HEALTHCHECK':
        stage.healthcheck = JSON.parse(/ CMD (\[.*\])$/.exec(rest)![1]!)
        break
    }
  }
  return stage
}

/** Keyword and the rest, with continued lines joined. */
function instructions(text: string): [keyword: string, rest: string][] {
  const lines = text.replace(/^\s*#.*\n/gm, '').replace(/\\\n\s*/g, ' ')
  return [...lines.matchAll(/^([A-Z]+)\s+(.*)$/gm)].map(([, keyword, rest]) => [keyword!, rest!.trim()])
}

/** Nothing of the npm that runs the tests. */
function npmEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^npm_|^NODE_ENV$|^VITEST/.test(name)),
  )
}
