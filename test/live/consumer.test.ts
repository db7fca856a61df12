/** The consumer against real servers that restart, crash, fail over, and lose what it had. */
import { afterEach, describe, expect, it, onTestFinished } from 'vitest'
import type { PostgresServer } from '../../scripts/postgres-server.js'
import { waitFor } from '../../scripts/wait-for.js'
import {
  ConnectionLostError,
  type ConnectOptions,
  type ConsumerEvent,
  connect,
  DivergedServerError,
  parseLsn,
  type ReplicationMessage,
  SlotConsumer,
  type SlotConsumerOptions,
  SlotLostError,
  type StoredPosition,
} from '../../src/index.js'
import { insert, insertedName, launchLogicalServer } from './logical-servers.js'
import { MAJOR, switchSegment, writeWal } from './test-server.js'

/** A user's database: rows, and the position that was stored with them in one transaction. */
class UserData {
  readonly names: string[] = []
  position: StoredPosition = null
  #open: string[] = []

  /** @returns true when a transaction was stored */
  apply(message: ReplicationMessage, timeline: number | null): boolean {
    const name = insertedName(message.text)
    if (message.text.startsWith('BEGIN')) this.#open = []
    if (name !== null) this.#open.push(name)
    if (!message.text.startsWith('COMMIT')) return false
    this.names.push(...this.#open)
    this.position = { lsn: message.dataStart, timeline }
    return true
  }
}

/** A consumer that runs until the test is over. */
class Run {
  readonly data: UserData
  readonly events: ConsumerEvent[] = []
  readonly #controller = new AbortController()
  readonly consumer: SlotConsumer
  readonly ended: Promise<unknown>

  constructor(connection: ConnectOptions, options: Partial<SlotConsumerOptions> = {}, data = new UserData()) {
    this.data = data
    this.consumer = new SlotConsumer({
      connection,
      stream: { slotName: 'consumer' },
      createSlot: { outputPlugin: 'test_decoding', snapshot: 'nothing' },
      resumeFrom: () => data.position,
      retry: { initialMs: 20, maxMs: 500 },
      onEvent: (event) => this.events.push(event),
      onMessage: (message) => {
        if (data.apply(message, this.consumer.position.timeline)) message.ack()
      },
      ...options,
    })
    this.ended = this.consumer.run(this.#controller.signal).then(
      () => 'stopped',
      (error) => error,
    )
  }

  async stop(): Promise<unknown> {
    this.#controller.abort()
    return this.ended
  }

  get retries(): number {
    return this.events.filter(({ kind }) => kind === 'retry').length
  }

  async streaming(): Promise<void> {
    await waitFor('the consumer to stream', async () => this.events.some(({ kind }) => kind === 'streaming'))
  }

  async has(name: string): Promise<void> {
    await waitFor(`${name} to be consumed`, async () => this.data.names.includes(name))
  }
}

const names = (count: number, prefix = 'row') =>
  Array.from({ length: count }, (_, index) => `${prefix} ${index}`)

describe(`a consumer of PostgreSQL ${MAJOR}`, () => {
  let run: Run | null = null
  afterEach(() => run?.stop())

  async function launch(): Promise<PostgresServer> {
    const server = await launchLogicalServer()
    onTestFinished(() => server[Symbol.asyncDispose]())
    return server
  }

  it('goes on through restarts, crashes and killed walsenders: each row once, in order', async () => {
    const server = await launch()
    run = new Run({ dsn: server.dsn, database: 'postgres' })
    await run.streaming()
    const all = names(120)
    for (const [index, name] of all.entries()) {
      await insert(server, name)
      // It is in the middle of the stream when it happens.
      if ([29, 59, 89].includes(index)) await run.has(name)
      if (index === 30) await server.restart('fast')
      if (index === 60) {
        await server.kill()
        await server.start()
      }
      if (index === 90) await server.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_replication`)
    }
    await run.has(all.at(-1)!)
    expect(run.data.names).toEqual(all)
    expect(run.retries).toBeGreaterThanOrEqual(3)
    expect(await run.stop()).toBe('stopped')
  })

  it('begins after a crash of its own where the data stands, not where the slot does', async () => {
    const server = await launch()
    // Statuses that never leave: the slot does not hear what was acknowledged.
    run = new Run(
      { dsn: server.dsn, database: 'postgres' },
      { stream: { slotName: 'consumer', statusInterval: 3600 } },
    )
    await run.streaming()
    await insert(server, 'a', 'b')
    await insert(server, 'c')
    await run.has('c')
    const { data } = run
    const { position } = data
    await server.query('SELECT pg_terminate_backend(pid) FROM pg_stat_replication')
    await run.stop()
    await waitFor('the slot to be free', async () => {
      return (await server.value('SELECT active FROM pg_replication_slots')) === 'false'
    })
    const slotLsn = parseLsn(await server.value('SELECT confirmed_flush_lsn::text FROM pg_replication_slots'))
    expect(slotLsn).toBeLessThan((position as { lsn: bigint }).lsn)
    await insert(server, 'd')
    run = new Run({ dsn: server.dsn, database: 'postgres' }, {}, data)
    await run.has('d')
    expect(data.names).toEqual(['a', 'b', 'c', 'd'])
  })

  it('gets a transaction again that was not acknowledged', async () => {
    const server = await launch()
    const seen: string[] = []
    let failing = true
    const onMessage = (message: ReplicationMessage) => {
      const name = insertedName(message.text)
      if (name !== null) seen.push(name)
      if (name === 'b' && failing) throw new Error('the disk is full')
      if (message.text.startsWith('COMMIT')) message.ack()
    }
    const options = { onMessage, resumeFrom: () => null }
    run = new Run({ dsn: server.dsn, database: 'postgres' }, options)
    await run.streaming()
    await insert(server, 'a')
    await insert(server, 'b')
    // An error of the user's code ends it, as it is: trying again is for the user to decide.
    expect(await run.ended).toMatchObject({ message: 'the disk is full' })
    failing = false
    run = new Run({ dsn: server.dsn, database: 'postgres' }, options)
    await waitFor('b again', async () => seen.length >= 3)
    expect(seen).toEqual(['a', 'b', 'b'])
  })

  it('says that the slot is lost when it was dropped, and does not try for ever or make another', async () => {
    const server = await launch()
    run = new Run({ dsn: server.dsn, database: 'postgres' })
    await run.streaming()
    await insert(server, 'a')
    await run.has('a')
    await run.stop()
    await waitFor('the slot to be free', async () => {
      return (await server.value('SELECT active FROM pg_replication_slots')) === 'false'
    })
    await server.query(`SELECT pg_drop_replication_slot('consumer')`)
    run = new Run({ dsn: server.dsn, database: 'postgres' }, {}, run.data)
    const lost = await run.ended
    expect(lost).toBeInstanceOf(SlotLostError)
    expect(lost).toMatchObject({ code: 'CONSUME_SLOT_LOST', retryable: false, cause: { sqlState: '42704' } })
    expect(await server.value('SELECT count(*) FROM pg_replication_slots')).toBe('0')
  })

  it.runIf(MAJOR >= 13)('says that the slot is lost when the server gave it up', async () => {
    const server = await launch()
    await server.configure({
      max_slot_wal_keep_size: '1MB',
      wal_keep_size: 0,
      min_wal_size: '2MB',
      max_wal_size: '2MB',
    })
    await server.restart()
    run = new Run({ dsn: server.dsn, database: 'postgres' })
    await run.streaming()
    await insert(server, 'a')
    await run.has('a')
    await run.stop()
    await waitFor('the slot to be invalidated', async () => {
      await writeWal(server, 3 << 20)
      await switchSegment(server)
      await server.query('CHECKPOINT')
      return (await server.value('SELECT wal_status FROM pg_replication_slots')) === 'lost'
    })
    run = new Run({ dsn: server.dsn, database: 'postgres' }, {}, run.data)
    const lost = await run.ended
    expect(lost).toBeInstanceOf(SlotLostError)
    expect(lost).toMatchObject({ cause: { sqlState: '55000' } })
  })

  it('takes the first copy under the slot’s snapshot; a copy that failed is begun anew, never left out', async () => {
    const server = await launch()
    await insert(server, 'before 1', 'before 2')
    const data = new UserData()
    let failing = true
    const options: Partial<SlotConsumerOptions> = {
      createSlot: { outputPlugin: 'test_decoding', snapshot: 'export' },
      onSlotCreated: async (snapshotName, position) => {
        // After the slot's start: it belongs to the stream, and not to the copy.
        await insert(server, failing ? 'meanwhile 1' : 'meanwhile 2')
        await using copy = await connect({ dsn: server.dsn })
        await copy.query('BEGIN ISOLATION LEVEL REPEATABLE READ')
        await copy.query(`SET TRANSACTION SNAPSHOT '${snapshotName}'`)
        if (failing) throw new ConnectionLostError('in the middle of the copy')
        const { rows } = await copy.query<{ name: string }>('SELECT name FROM items ORDER BY id')
        data.names.push(...rows.map(({ name }) => name))
        data.position = position
      },
    }
    run = new Run({ dsn: server.dsn, database: 'postgres' }, options, data)
    expect(await run.ended).toMatchObject({ message: 'in the middle of the copy' })
    expect(await server.value('SELECT count(*) FROM pg_replication_slots')).toBe('0')
    failing = false
    run = new Run({ dsn: server.dsn, database: 'postgres' }, options, data)
    await run.streaming()
    await insert(server, 'after')
    await run.has('after')
    const all = ['before 1', 'before 2', 'meanwhile 1', 'meanwhile 2', 'after']
    expect(data.names).toEqual(all)
    await run.stop()

    // A slot without a stored copy: it died in between.
    run = new Run({ dsn: server.dsn, database: 'postgres' }, options)
    expect(await run.ended).toMatchObject({ code: 'CONSUME_COPY_UNFINISHED', retryable: false })
  })

  it('waits longer and longer for a server that is away, and no longer than it was told', async () => {
    const server = await launch()
    await server.stop()
    run = new Run({ dsn: server.dsn, database: 'postgres' }, { retry: { initialMs: 10, maxMs: 80 } })
    await waitFor('some tries', async () => run!.retries >= 6)
    const delays = run.events.flatMap((event) => (event.kind === 'retry' ? [event.delayMs] : []))
    expect(delays[0]).toBeLessThanOrEqual(10)
    expect(delays.slice(4).every((delayMs) => delayMs >= 40 && delayMs <= 80)).toBe(true)
    expect(await run.stop()).toBe('stopped')
  })

  it('refuses a server that lost in a failover what was consumed', async () => {
    const primary = await launch()
    const standby = await primary.createStandby()
    onTestFinished(() => standby[Symbol.asyncDispose]())
    run = new Run(eitherOf(primary, standby))
    await run.streaming()
    await insert(primary, 'on both')
    await run.has('on both')
    await waitFor('the standby to have it', async () => {
      return (await standby.value('SELECT count(*) FROM items')) === '1'
    })
    await standby.stop()
    await insert(primary, 'only on the old one')
    await run.has('only on the old one')
    await primary.kill()
    await standby.start()
    await standby.promote()
    // More than was lost, at the same positions: a plain start would skip some of it.
    await insert(standby, ...names(500, 'new'))
    expect(await run.ended).toBeInstanceOf(DivergedServerError)
    expect(run.data.names).toEqual(['on both', 'only on the old one'])
  })

  it.runIf(MAJOR >= 17)('follows a failover with a slot that standbys keep: each row once', async () => {
    const primary = await launch()
    await primary.query(`SELECT pg_create_physical_replication_slot('standby', true)`)
    const standby = await primary.createStandby({
      primary_slot_name: 'standby',
      hot_standby_feedback: true,
    })
    onTestFinished(() => standby[Symbol.asyncDispose]())
    await standby.configure({ primary_conninfo: `${primary.dsn} dbname=postgres application_name=standby` })
    await standby.restart()
    run = new Run(eitherOf(primary, standby), {
      createSlot: { outputPlugin: 'test_decoding', failover: true, snapshot: 'nothing' },
      // The standby can keep the slot once it has moved beyond the standby's own beginning.
      stream: { slotName: 'consumer', statusInterval: 1 },
    })
    await run.streaming()
    await insert(primary, 'a')
    await insert(primary, 'b')
    await run.has('b')
    await waitFor('the slot to be kept on the standby', async () => {
      await primary.query('SELECT pg_log_standby_snapshot()')
      await standby.query('SELECT pg_sync_replication_slots()').catch(() => {})
      return (
        (await standby.value(
          'SELECT count(*) FROM pg_replication_slots WHERE synced AND NOT temporary AND invalidation_reason IS NULL',
        )) === '1'
      )
    })
    await insert(primary, 'c')
    await run.has('c')
    await waitFor('the standby to have it', async () => {
      return (await standby.value('SELECT count(*) FROM items')) === '3'
    })
    await primary.kill()
    await standby.promote()
    await insert(standby, 'd')
    await run.has('d')
    expect(run.data.names).toEqual(['a', 'b', 'c', 'd'])
    expect(run.consumer.position.timeline).toBe(2)
  })
})

function eitherOf(...servers: PostgresServer[]): ConnectOptions {
  return {
    host: servers.map(() => '127.0.0.1').join(),
    port: servers.map(({ port }) => port).join(),
    user: 'postgres',
    database: 'postgres',
    targetSessionAttrs: 'read-write',
  }
}
