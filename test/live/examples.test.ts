/** The examples as a user runs them, against real servers. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { installedPostgres } from '../../scripts/postgres-binaries.js'
import { PostgresServer } from '../../scripts/postgres-server.js'
import { waitFor } from '../../scripts/wait-for.js'
import { lsnDiff, parseLsn, segmentFileName, segmentFloor } from '../../src/index.js'
import * as backend from '../support/backend-frames.js'
import { ScriptedWalsender } from '../support/scripted-walsender.js'
import { insert, launchLogicalServer } from './logical-servers.js'
import { testDirectory } from './test-directory.js'
import { MAJOR, SEGMENT_SIZE, writeWal } from './test-server.js'

const PROJECT = fileURLToPath(new URL('../..', import.meta.url))

class Example {
  readonly #child: ChildProcess
  output = ''
  readonly ended: Promise<number | null>

  constructor(
    name: string,
    server: { readonly port: number },
    args: readonly string[] = [],
    env: NodeJS.ProcessEnv = {},
  ) {
    const { PATH, HOME } = process.env
    this.#child = spawn(process.execPath, ['--import', 'tsx', `examples/${name}.ts`, ...args], {
      cwd: PROJECT,
      env: {
        PATH,
        HOME,
        PGHOST: '127.0.0.1',
        PGPORT: String(server.port),
        PGUSER: 'postgres',
        PGDATABASE: 'postgres',
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    for (const stream of [this.#child.stdout!, this.#child.stderr!])
      stream.on('data', (chunk: Buffer) => (this.output += chunk.toString()))
    this.ended = new Promise((resolve) => this.#child.once('close', resolve))
    onTestFinished(async () => {
      this.#child.kill('SIGKILL')
      await this.ended
    })
  }

  async says(text: string | RegExp): Promise<void> {
    await waitFor(`${text} in: ${this.output}`, async () => this.output.search(text) >= 0)
  }

  interrupt(): void {
    this.#child.kill('SIGINT')
  }

  /** @throws with what it printed when it does not end well */
  async passed(): Promise<string> {
    const code = await this.ended
    if (code !== 0) throw new Error(`ended with ${code}: ${this.output}`)
    return this.output
  }
}

describe(`examples and PostgreSQL ${MAJOR}`, () => {
  let server: PostgresServer
  beforeAll(async () => {
    server = await launchLogicalServer()
  })
  afterAll(() => server?.[Symbol.asyncDispose]())

  const slots = () => server.value('SELECT count(*) FROM pg_replication_slots')

  it('connect', async () => {
    const output = await new Example('connect', server).passed()
    expect(output).toMatch(/logical: .*dbName: 'postgres'.*physical: .*dbName: null.*plain: 20/s)
  })

  it('logical-select: a hundred messages, and no slot afterwards', async () => {
    const example = new Example('logical-select', server)
    await example.says('Created')
    await waitFor('it to stream', async () => {
      return (await server.value('SELECT active FROM pg_replication_slots')) === 'true'
    })
    await insert(server, ...Array.from({ length: 100 }, (_, index) => `item ${index}`))
    const output = await example.passed()
    expect(output.match(/^Payload: /gm)).toHaveLength(100)
    expect(output).toContain(`name[text]:'item 98'`)
    expect(output).toContain('Stopping replication: Processed enough messages')
    expect(await slots()).toBe('0')
  })

  it('logical-select: Ctrl-C is a clean end', async () => {
    const example = new Example('logical-select', server)
    await example.says('Created')
    await waitFor('it to stream', async () => {
      return (await server.value('SELECT active FROM pg_replication_slots')) === 'true'
    })
    example.interrupt()
    expect(await example.passed()).toContain('Stopping replication: interrupted')
    expect(await slots()).toBe('0')
  })

  it('logical-select: an error of the server is told', async () => {
    await server.query(`SELECT pg_create_physical_replication_slot('test_slot')`)
    const example = new Example('logical-select', server)
    expect(await example.ended).not.toBe(0)
    expect(example.output).toContain('already exists')
    await server.query(`SELECT pg_drop_replication_slot('test_slot')`)
  })

  it('physical-loop: the bytes of the server, synced and acknowledged, and no slot afterwards', async () => {
    const directory = await testDirectory()
    const example = new Example('physical-loop', server, ['20', directory])
    await example.says('Streaming from')
    const writing = (async () => {
      for (let round = 0; round < 20; round += 1) await writeWal(server, 64 * 1024)
    })()
    const output = await example.passed()
    await writing
    expect(output.match(/^WAL at LSN/gm)).toHaveLength(20)
    expect(await slots()).toBe('0')
    const start = parseLsn(/Streaming from (\S+)/.exec(output)![1]!)
    const [name] = await readdir(directory)
    const received = await readFile(join(directory, name!))
    expect(received.length).toBe(Number(/Received (\d+) bytes/.exec(output)![1]))
    const last = [...output.matchAll(/^WAL at LSN (\S+), size: (\d+)/gm)].at(-1)!
    expect(lsnDiff(last[1]!, start) + BigInt(last[2]!)).toBe(BigInt(received.length))
    expect(segmentFloor(start, SEGMENT_SIZE)).toBe(start)
    const segment = segmentFileName(1, start / BigInt(SEGMENT_SIZE), SEGMENT_SIZE)
    const length = Math.min(received.length, SEGMENT_SIZE)
    const served = (await readFile(join(server.walDirectory, segment))).subarray(0, length)
    expect(served.equals(received.subarray(0, length))).toBe(true)
  })

  it('monitor: a slot and a receiver, as the server has them', async () => {
    await server.query(`SELECT pg_create_physical_replication_slot('seen', true)`)
    const standby = await server.createStandby({ primary_slot_name: 'seen' })
    onTestFinished(async () => {
      await standby[Symbol.asyncDispose]()
      await server.query(`SELECT pg_drop_replication_slot('seen')`)
    })
    await waitFor('the standby to stream', async () => {
      return (
        (await server.value(`SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'`)) === '1'
      )
    })
    const output = await new Example('monitor', server).passed()
    expect(output).toMatch(/Slot: seen\n {2}Type: physical\n {2}Active: true\n {2}Restart LSN: \S+\n/)
    expect(output).toMatch(/Client: 127\.0\.0\.1\n {2}State: streaming\n/)
    expect(await new Example('monitor', standby).passed()).toContain('Replication Slots Status')
  })

  it('surviving-consumer: each transaction once, through a crash of the server and an end of its own', async () => {
    const client = await server.connect()
    await client.query('CREATE DATABASE copy')
    await client.end()
    const target = async (sql: string) => {
      const connection = await server.connect('copy')
      const { rows } = await connection.query(sql)
      await connection.end()
      return rows
    }
    await target('CREATE TABLE consumed (slot text PRIMARY KEY, lsn pg_lsn, timeline int8)')
    await target('CREATE TABLE changes (lsn pg_lsn, change text)')
    const env = { SOURCE: server.dsn, TARGET: server.dsn.replace('dbname=postgres', 'dbname=copy') }
    const copied = (name: string) =>
      waitFor(
        `${name} to be copied`,
        async () => (await target(`SELECT 1 FROM changes WHERE change LIKE '%''${name}'''`)).length > 0,
      )
    const first = new Example('surviving-consumer', server, [], env)
    await first.says('streaming')
    await insert(server, 'copy 1')
    await copied('copy 1')
    await server.query('SELECT pg_terminate_backend(pid) FROM pg_stat_replication')
    await insert(server, 'copy 2')
    await copied('copy 2')
    first.interrupt()
    await first.passed()
    await insert(server, 'copy 3')
    const second = new Example('surviving-consumer', server, [], env)
    await copied('copy 3')
    second.interrupt()
    await second.passed()
    const rows = await target(`SELECT change FROM changes WHERE change LIKE '%copy %'`)
    expect(rows.map(({ change }) => /'(copy \d)'/.exec(change)?.[1])).toEqual(['copy 1', 'copy 2', 'copy 3'])
    await server.query(`SELECT pg_drop_replication_slot('copy')`)
  })

  it('wal2json-consumer with another plugin: text, and a slot that is there already', async () => {
    for (const round of [1, 2]) {
      const example = new Example('wal2json-consumer', server, ['3', 'test_decoding'])
      await example.says(round === 1 ? /Created slot 'app_changes'/ : /Slot 'app_changes' already exists/)
      await example.says('Started replication')
      await insert(server, `round ${round}`)
      const output = await example.passed()
      expect(output).toContain(`name[text]:'round ${round}'`)
      // What the first round acknowledged does not come again.
      if (round === 2) expect(output).not.toContain('round 1')
    }
    const example = new Example('wal2json-consumer', server, ['100', 'test_decoding'])
    await example.says('Started replication')
    example.interrupt()
    expect(await example.passed()).toContain('Replication stopped by user')
    await server.query(`SELECT pg_drop_replication_slot('app_changes')`)
  })
})

describe('the wal2json example', () => {
  it('JSON that cannot be read does not stop it', async () => {
    await using walsender = await ScriptedWalsender.start()
    walsender.answer(
      'CREATE',
      backend.result(['a', 'b', 'c', 'd'], [['app_changes', '0/10', null, 'wal2json']]),
    )
    walsender.answer('START_REPLICATION', backend.copyBoth())
    const example = new Example('wal2json-consumer', walsender.options, ['2'], { PGSSLMODE: 'disable' })
    await example.says('Started replication')
    walsender.send(backend.xlogData(0x20n, Buffer.from('{"action":')))
    walsender.send(backend.xlogData(0x30n, Buffer.from('{"action":"I","schema":"s","table":"t"}')))
    await example.says('Operation: I')
    await walsender.until(() => walsender.copyDones === 1)
    walsender.send(backend.copyDone(), backend.commandComplete('COPY 0'), backend.ready())
    const output = await example.passed()
    expect(output).toContain('JSON decode error')
    expect(output).toContain('Raw payload: {"action":')
    expect(walsender.statuses.at(-1)?.flush).toBe(0x30n)
  })
})

const WAL2JSON = '/usr/lib/postgresql/15/lib/wal2json.so'
const hasWal2json = existsSync(WAL2JSON)
if (!hasWal2json)
  console.warn(
    `!! NO WAL2JSON: ${WAL2JSON} is not there (Debian: postgresql-15-wal2json); its example is skipped`,
  )

describe.runIf(hasWal2json)('the wal2json example and Debian’s PostgreSQL 15', () => {
  it.each(['1', '2'])('format version %s: table, operation and data', async (format) => {
    const server = await PostgresServer.launch({
      binaries: installedPostgres(15)!,
      settings: { wal_level: 'logical' },
    })
    onTestFinished(() => server[Symbol.asyncDispose]())
    await server.query('CREATE TABLE items (id serial PRIMARY KEY, name text)')
    const messages = format === '1' ? '1' : '4'
    const example = new Example('wal2json-consumer', server, [messages], { WAL2JSON_FORMAT: format })
    await example.says('Started replication')
    await insert(server, 'hammer', 'nail')
    const output = await example.passed()
    expect(output).toMatch(format === '1' ? /Operation: insert/ : /Operation: I/)
    expect(output).toContain('Table: public.items')
    expect(output).toContain('Data: {"id":1,"name":"hammer"}')
    expect(output).toContain('Data: {"id":2,"name":"nail"}')
  })
})
