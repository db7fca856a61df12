/**
 * What the image would be, without a container engine: its stages are carried out in folders, and the result runs as
 * process 1 of a namespace, as the image's user, on a file system that is read-only.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { findTool } from '../../scripts/lint-deploy.js'
import type { PostgresServer } from '../../scripts/postgres-server.js'
import { waitFor } from '../../scripts/wait-for.js'
import { launchTestServer, SEGMENT_SIZE, writeWal } from '../live/test-server.js'
import { buildStages, type Stage } from './dockerfile-stages.js'

const PROJECT = fileURLToPath(new URL('../..', import.meta.url))
const DOCKERFILE = join(PROJECT, 'deploy', 'docker', 'Dockerfile')

const HADOLINT = findTool('hadolint')
if (HADOLINT === null)
  console.warn('!! NO HADOLINT: the Dockerfile is not linted (scripts/lint-deploy.ts --install gets it)')

/** Becomes process 1: nothing can be written but the volume, and no right is left. */
const CONTAIN = `
  mount --make-rprivate / && mount -t tmpfs -o mode=0700,uid="$UID_GID",gid="$UID_GID" tmpfs "$VOLUME" &&
  mount -o remount,bind,ro / &&
  exec setpriv --reuid "$UID_GID" --regid "$UID_GID" --clear-groups --no-new-privs --bounding-set=-all "$@"
`
const NAMESPACES = ['--mount', '--pid', '--fork', '--kill-child']
const CONTAINS =
  spawnSync('unshare', [...NAMESPACES, 'sh', '-c', 'mount --make-rprivate / && mount -o remount,bind,ro /'])
    .status === 0
if (!CONTAINS)
  console.warn(
    '!! NO NAMESPACES: this user may not make any, and the image is not run as process 1 on a read-only system',
  )

describe('the Dockerfile', () => {
  it.skipIf(HADOLINT === null)('has no fault that hadolint sees', () => {
    const { stdout, status } = spawnSync(HADOLINT!, [DOCKERFILE], { encoding: 'utf8' })
    expect([status, stdout]).toEqual([0, ''])
  })
})

describe.skipIf(!CONTAINS)('the image', { timeout: 300_000 }, () => {
  let folder: string
  let stage: Stage
  let server: PostgresServer

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'walship-image-'))
    await chmod(folder, 0o755)
    server = await launchTestServer()
    stage = await buildStages(DOCKERFILE, PROJECT, folder)
  }, 300_000)
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]()
    await rm(folder, { recursive: true, force: true })
  })

  /** The paths of the image, in the folder that stands for its root. */
  const inImage = (words: readonly string[]) =>
    words.map((word) => (word === 'node' ? process.execPath : word.replace(/^\/app\//, `${stage.root}/app/`)))

  function environment(port: number): Record<string, string> {
    return {
      ...stage.environment,
      WALSHIP_DIRECTORY: join(folder, 'volume'),
      WALSHIP_HTTP: String(port),
      WALSHIP_DBNAME: server.dsn,
      WALSHIP_SLOT: 'container',
      WALSHIP_ENSURE_SLOT: 'true',
    }
  }

  /** Runs it, and gives the process that is number 1 in there by its number out here. */
  async function run(port: number): Promise<{ child: ChildProcess; pid: number; log: () => string }> {
    const volume = join(folder, 'volume')
    await mkdir(volume, { recursive: true })
    const [uid, gid] = stage.user.split(':')
    expect(gid).toBe(uid)
    const command = inImage([...stage.entrypoint, ...stage.command])
    const env = { PATH: '/usr/bin:/bin', VOLUME: volume, UID_GID: uid!, ...environment(port) }
    const child = spawn('unshare', [...NAMESPACES, 'sh', '-c', CONTAIN, 'sh', ...command], {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let log = ''
    for (const stream of [child.stdout!, child.stderr!])
      stream.setEncoding('utf8').on('data', (text) => {
        log += text
      })
    onTestFinished(() => void child.kill('SIGKILL'))
    await waitFor('the stream to begin', () => {
      if (child.exitCode !== null) throw new Error(log)
      return log.includes('"event":"streaming_started"')
    })
    const [first] = (await readFile(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8'))
      .trim()
      .split(' ')
    return { child, pid: Number(first), log: () => log }
  }

  function healthcheck(port: number): number | null {
    const [node, ...args] = inImage(stage.healthcheck)
    return spawnSync(node!, args, { env: environment(port) }).status
  }

  it('needs nothing but what is copied, and holds no more than it needs', async () => {
    expect(await readdir(join(stage.root, 'app'))).toEqual(
      expect.arrayContaining(['LICENSE', 'bin', 'dist', 'healthcheck.mjs', 'node_modules', 'package.json']),
    )
    expect(await readdir(join(stage.root, 'app', 'node_modules'))).not.toContain('typescript')
    expect(stage.skipped).toEqual([expect.stringMatching(/^ln -s .* && install -d -m 0700 -o node -g node /)])
    expect(stage.user).toBe('1000:1000')
  })

  it('runs as process 1, writes to the volume alone, leaves no dead child, and ends cleanly at SIGTERM', async () => {
    const port = 20_000 + Math.floor(Math.random() * 10_000)
    const { child, pid, log } = await run(port)
    const status = await readFile(`/proc/${pid}/status`, 'utf8')
    expect(/^NSpid:\s+\d+\s+(\d+)$/m.exec(status)?.[1]).toBe('1')
    expect(/^Uid:\s+(\d+)/m.exec(status)?.[1]).toBe('1000')
    expect(/^CapEff:\s+(\w+)$/m.exec(status)?.[1]).toBe('0000000000000000')
    await writeWal(server, 2.5 * SEGMENT_SIZE)
    await waitFor('two segments', () => log().split('"event":"segment_finished"').length > 2)
    expect(healthcheck(port)).toBe(0)
    expect(log()).not.toContain('DIRECTORY_NOT_LOCKED')
    const children = (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).trim()
    expect(children).toBe('')

    process.kill(pid, 'SIGTERM')
    const [code] = await once(child, 'exit')
    expect([code, log()]).toEqual([0, expect.stringContaining('"event":"exit"')])
    expect(healthcheck(port)).toBe(1)
  })
})
