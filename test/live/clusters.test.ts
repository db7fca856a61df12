import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import type { PostgresServer } from '../../scripts/postgres-server.js'
import { waitFor } from '../../scripts/wait-for.js'
import type { Fleet } from '../../src/status/index.js'
import { formatLsn } from '../../src/wal/index.js'
import { expectSameWal } from './received-wal.js'
import { ReceiverProcess } from './receiver-process.js'
import { canMount, smallDisk } from './small-disk.js'
import { testDirectory } from './test-directory.js'
import { launchTestServer, SEGMENT_SIZE, streaming, switchSegment, writeWal } from './test-server.js'

const CAN_MOUNT = canMount()
const TEST_MS = 240_000
/** A cluster that is given up is tried anew within ten seconds at first. */
const RETURN_MS = 90_000

async function urlOf(receiver: ReceiverProcess): Promise<string> {
  await receiver.said(/"event":"http_listening"/)
  return /"url":"([^"]+)"/.exec(receiver.stderr)![1]!
}

const fleetAt = async (url: string) => (await (await fetch(`${url}status.json`)).json()) as Fleet

async function clusterIs(
  url: string,
  name: string,
  wanted: (snapshot: Fleet['clusters'][number]) => boolean,
): Promise<void> {
  await waitFor(
    `cluster ${name} to be as wanted`,
    async () => (await fleetAt(url)).clusters.some((each) => each.cluster === name && wanted(each)),
    RETURN_MS,
  )
}

describe('walship receive with several clusters', { timeout: TEST_MS }, () => {
  let servers: PostgresServer[]
  beforeAll(async () => {
    servers = [await launchTestServer(), await launchTestServer(), await launchTestServer()]
  })
  afterAll(async () => {
    for (const server of servers ?? []) await server[Symbol.asyncDispose]()
  })

  /** A configuration with a cluster for each text: options of its own, directory and store added. */
  async function configure(clusters: Readonly<Record<string, string>>) {
    const home = await testDirectory()
    let text = 'http: 127.0.0.1:0\nslot-check: 0\nclusters:\n'
    for (const [name, options] of Object.entries(clusters)) {
      await mkdir(join(home, name, 'wal'), { recursive: true })
      await mkdir(join(home, name, 'store'))
      text += `  ${name}:\n    directory: ${join(home, name, 'wal')}\n    store: file://${join(home, name, 'store')}\n`
      text += `    ${options}\n`
    }
    const path = join(home, 'walship.yaml')
    await writeFile(path, text)
    return { path, directory: (name: string) => join(home, name, 'wal'), home }
  }

  function start(path: string, env: Record<string, string> = {}): ReceiverProcess {
    const receiver = ReceiverProcess.walship(['--config', path], { env })
    onTestFinished(() => receiver[Symbol.asyncDispose]())
    return receiver
  }

  it('goes on with one while another is killed, and a third is not whom it should be', async () => {
    const [killed, other, well] = servers as [PostgresServer, PostgresServer, PostgresServer]
    const { path, directory } = await configure({
      killed: `dbname: ${killed.dsn}`,
      other: `dbname: ${other.dsn}`,
      well: `dbname: ${well.dsn}`,
    })
    // WAL of the first server, so that the second is another than before.
    const before = ReceiverProcess.walship(['-D', directory('other'), '-d', killed.dsn])
    onTestFinished(() => before[Symbol.asyncDispose]())
    await streaming(killed)
    await writeWal(killed, 100_000)
    await switchSegment(killed)
    await before.said(/segment_finished/)
    await before.stop()

    const receiver = start(path)
    const url = await urlOf(receiver)
    await clusterIs(url, 'other', ({ stream }) => stream.state === 'failed')
    await clusterIs(url, 'killed', ({ stream }) => stream.state === 'streaming')
    await killed.kill()
    // Whatever comes, the next tests need it.
    onTestFinished(async () => {
      await killed.start().catch(() => {})
    })
    await clusterIs(url, 'killed', ({ stream }) => stream.state === 'retrying')
    await writeWal(well, 3 * SEGMENT_SIZE)
    const end = await switchSegment(well)
    await clusterIs(url, 'well', ({ counters }) => counters.segmentsArchived >= 3)
    await clusterIs(url, 'well', ({ verdict }) => verdict.level === 'safe')
    await expectSameWal(directory('well'), well.walDirectory, { to: end, segmentSize: SEGMENT_SIZE })

    const metrics = await (await fetch(`${url}metrics`)).text()
    expect(metrics).toContain('walship_streaming{cluster="killed"} 0\n')
    expect(metrics).toContain('walship_streaming{cluster="well"} 1\n')
    expect(metrics).toContain('walship_failed{cluster="other"} 1\n')
    expect(metrics).toContain('walship_failed{cluster="killed"} 0\n')
    expect(metrics).toMatch(/^process_resident_memory_bytes \d/m)
    const ready = await fetch(`${url}readyz`)
    expect(ready.status).toBe(503)
    expect(await ready.text()).toMatch(/^not ready\nkilled: not streaming.*\nother: given up: directory/)
    expect((await fetch(`${url}readyz?cluster=well`)).status).toBe(200)
    expect((await fetch(`${url}history.json?cluster=well`)).status).toBe(200)
    expect((await fetch(`${url}status.json?cluster=none`)).status).toBe(404)

    const all = await ReceiverProcess.command(['status', '--url', url]).exit
    expect(all).toMatchObject({ status: 3, stdout: expect.stringContaining('IN DANGER: killed: ') })
    expect(all.stdout).toMatch(/^well +SAFE: /m)
    const one = await ReceiverProcess.command(['status', '--url', url, '--cluster', 'well']).exit
    expect(one).toMatchObject({ status: 0, stdout: expect.stringMatching(/^cluster +well$/m) })

    await killed.start()
    await clusterIs(url, 'killed', ({ stream }) => stream.state === 'streaming')
    const { status, stderr } = await receiver.stop('SIGTERM')
    expect(status).toBe(0)
    const events = stderr
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line))
    expect(
      events
        .filter(({ event }) => event === 'cluster_ended')
        .map(({ cluster }) => cluster)
        .sort(),
    ).toEqual(['killed', 'well'])
    expect(events.find(({ event }) => event === 'cluster_failed')).toMatchObject({
      cluster: 'other',
      code: 'RECEIVE_OTHER_CLUSTER',
    })
    expect(events.at(-1)).toMatchObject({ event: 'exit', reason: 'aborted' })
  })

  it('takes a cluster up again when its directory comes back, and lets a store refuse one alone', async () => {
    const [first, second] = servers as [PostgresServer, PostgresServer]
    const { path, directory, home } = await configure({
      unmounted: `dbname: ${first.dsn}`,
      refused: `dbname: ${second.dsn}`,
    })
    await rename(directory('unmounted'), `${directory('unmounted')}.away`)
    await rename(join(home, 'refused', 'store'), join(home, 'refused', 'away'))
    await writeFile(join(home, 'refused', 'store'), '')
    const receiver = start(path)
    const url = await urlOf(receiver)
    await clusterIs(url, 'unmounted', ({ stream }) => stream.state === 'failed')
    await clusterIs(url, 'refused', ({ archive }) => archive?.lastError !== null)
    await rename(`${directory('unmounted')}.away`, directory('unmounted'))
    await clusterIs(url, 'unmounted', ({ stream }) => stream.state === 'streaming')
    await writeWal(first, SEGMENT_SIZE)
    await clusterIs(url, 'unmounted', ({ counters }) => counters.segmentsArchived >= 1)
    const fleet = await fleetAt(url)
    expect(fleet.clusters.find(({ cluster }) => cluster === 'unmounted')).toMatchObject({
      counters: { breakdowns: expect.any(Number) },
      archive: { state: 'working' },
    })
    expect((await receiver.stop('SIGTERM')).status).toBe(0)
  })

  it('gives up only the cluster in which something unforeseen failed', async () => {
    const [first, second] = servers as [PostgresServer, PostgresServer]
    const { path } = await configure({ broken: `dbname: ${first.dsn}`, well: `dbname: ${second.dsn}` })
    // Throws out of a timer that belongs to the receiving of the first cluster, twice.
    const fault = join(await testDirectory(), 'fault.mjs')
    await writeFile(
      fault,
      `import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
const { opendir } = fs.promises
let thrown = 0
fs.promises.opendir = (path, ...rest) => {
  if (String(path).includes('/broken/') && thrown++ < 2) setTimeout(() => { throw new Error('unforeseen') }, 1500)
  return opendir(path, ...rest)
}
syncBuiltinESMExports()
`,
    )
    const receiver = start(path, { NODE_OPTIONS: `--import ${fault}` })
    const url = await urlOf(receiver)
    await clusterIs(url, 'well', ({ stream }) => stream.state === 'streaming')
    await clusterIs(url, 'broken', ({ stream }) => stream.state === 'failed')
    const connects = (await fleetAt(url)).clusters[1]!.counters.connects
    await clusterIs(
      url,
      'broken',
      ({ stream, counters }) => stream.state === 'streaming' && counters.breakdowns >= 2,
    )
    await writeWal(first, SEGMENT_SIZE)
    await clusterIs(url, 'broken', ({ counters }) => counters.segmentsArchived >= 1)
    expect((await fleetAt(url)).clusters[1]).toMatchObject({
      counters: { connects, breakdowns: 0 },
      verdict: { level: 'safe' },
    })
    const { status, stderr } = await receiver.stop('SIGTERM')
    expect(status).toBe(0)
    expect(stderr).toMatch(/"cluster":"broken".*"event":"cluster_failed".*"code":"CLI_UNEXPECTED"/)
  })

  it('goes on beside a wrong password, a full disk, and a store that takes all and answers nothing', async () => {
    const [first, second] = servers as [PostgresServer, PostgresServer]
    const guarded = await launchTestServer({
      settings: { password_encryption: 'scram-sha-256' },
      hba: 'local all all trust\nhost replication hushed 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n',
    })
    onTestFinished(() => guarded[Symbol.asyncDispose]())
    await guarded.query(`CREATE ROLE hushed LOGIN REPLICATION PASSWORD 'sesame'`)
    const sockets = new Set<Socket>()
    const silent = createServer((socket) => void sockets.add(socket.on('error', () => {})))
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => {
      for (const socket of sockets) socket.destroy()
      silent.close()
    })
    const { port } = silent.address() as { port: number }
    const home = await testDirectory()
    const passfile = join(home, 'pgpass')
    await writeFile(passfile, '*:*:*:hushed:nightingale\n', { mode: 0o600 })
    const { path, directory } = await configure({
      password: `dbname: ${guarded.dsn.replace(/user=\S+/, '')} user=hushed passfile=${passfile}`,
      hanging: `dbname: ${first.dsn}\n    s3-endpoint: http://127.0.0.1:${port}`,
      full: `dbname: ${second.dsn}\n    min-free-space: 0`,
      well: `dbname: ${second.dsn}`,
    })
    if (!CAN_MOUNT) console.warn('!! NO MOUNT: no cluster has a full disk here')
    const disk = CAN_MOUNT ? await smallDisk(2 * SEGMENT_SIZE + 100_000) : directory('full')
    const text = (await readFile(path, 'utf8'))
      .replace(directory('full'), disk)
      .replace(/store: \S+\/hanging\/store/, 's3-region: us-east-1\n    store: s3://bucket/prefix')
    await writeFile(path, text)
    // Without WAL of its own to go on from, a cluster waits for its store.
    const before = ReceiverProcess.walship(['-D', directory('hanging'), '-d', first.dsn])
    onTestFinished(() => before[Symbol.asyncDispose]())
    await streaming(first)
    await writeWal(first, SEGMENT_SIZE)
    await before.said(/segment_finished/)
    await before.stop()

    const receiver = start(path, { AWS_ACCESS_KEY_ID: 'x', AWS_SECRET_ACCESS_KEY: 'y' })
    const url = await urlOf(receiver)
    await clusterIs(url, 'password', ({ stream }) => stream.state === 'failed')
    await clusterIs(url, 'well', ({ stream }) => stream.state === 'streaming')
    await writeWal(first, SEGMENT_SIZE)
    for (let round = 0; round < 5; round += 1) await writeWal(second, SEGMENT_SIZE)
    const end = await switchSegment(second)
    if (CAN_MOUNT) await clusterIs(url, 'full', ({ counters }) => counters.streamFailures > 0)
    await clusterIs(url, 'well', ({ counters }) => counters.segmentsArchived >= 5)
    await clusterIs(url, 'well', ({ verdict }) => verdict.level === 'safe')
    await expectSameWal(directory('well'), second.walDirectory, { to: end, segmentSize: SEGMENT_SIZE })
    expect(sockets.size).toBeGreaterThan(0)
    const [password, hanging, full, well] = (await fleetAt(url)).clusters
    expect(password!.stream.lastError?.message).toContain('password authentication failed')
    expect(hanging!.archive?.state).toBe('opening')
    if (CAN_MOUNT) expect(full!.stream.lastError?.message).toContain('No space left on device')
    expect(well).toMatchObject({ stream: { lastError: null }, counters: { breakdowns: 0, connects: 1 } })
    expect(receiver.stderr).not.toContain('nightingale')
    expect((await receiver.stop('SIGTERM')).status).toBe(0)
  })

  it('ends when all have: with 1 where one failed that must not be tried anew', async () => {
    const [first, second] = servers as [PostgresServer, PostgresServer]
    const end = formatLsn(await writeWal(first, 1000))
    await writeWal(first, 100_000)
    const { path } = await configure({
      done: `dbname: ${first.dsn}\n    endpos: ${end}`,
      gone: `dbname: ${second.dsn} port=1\n    no-loop: on`,
    })
    const both = await ReceiverProcess.walship(['--config', path]).exit
    expect(both.status).toBe(1)
    expect(both.stderr).toMatch(/"cluster":"done".*"event":"cluster_ended","reason":"endpos"/)
    expect(both.stderr).toMatch(/"cluster":"gone".*"event":"cluster_failed"/)
    const one = await ReceiverProcess.walship(['--config', path, '--cluster', 'done']).exit
    expect(one.status).toBe(0)
  })

  it('tries everything out with --check, and receives nothing', async () => {
    const [first, second] = servers as [PostgresServer, PostgresServer]
    const { path, directory } = await configure({
      good: `dbname: ${first.dsn}`,
      bad: `dbname: ${second.dsn} port=1`,
    })
    const failed = await ReceiverProcess.walship(['--config', path, '--check']).exit
    expect(failed).toMatchObject({ status: 1, stderr: '' })
    expect(failed.stdout).toMatch(
      /^good\n {2}directory {2}good .*\n {2}server {5}good {3}PostgreSQL .*\n {2}store {6}good /,
    )
    expect(failed.stdout).toMatch(/^bad\n.*\n {2}server {5}FAILED .*Connection refused/m)
    const atRest = await ReceiverProcess.command(['status', '--config', path]).exit
    expect(atRest).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/^good +SAFE: .*\n.*\nbad +SAFE: /m),
    })
    await rename(directory('bad'), `${directory('bad')}.away`)
    expect(await ReceiverProcess.command(['status', '--config', path]).exit).toMatchObject({
      status: 1,
      stdout: expect.stringMatching(/^good +SAFE: /m),
      stderr: expect.stringMatching(/error: cluster "bad": could not open directory/),
    })
    await rename(`${directory('bad')}.away`, directory('bad'))
    const good = await ReceiverProcess.walship(['--config', path, '--check', '--cluster', 'good']).exit
    expect(good).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('Not tried: writing to the store'),
    })
    expect(
      await ReceiverProcess.walship(['-D', directory('good'), '-d', first.dsn, '--check']).exit,
    ).toMatchObject({
      status: 0,
    })
  })
})
