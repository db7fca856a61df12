/** --create-slot and --drop-slot against a real server, word for word. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { PostgresServer } from '../../scripts/postgres-server.js'
import { ReceiverProcess } from './receiver-process.js'
import { testDirectory } from './test-directory.js'
import { launchTestServer, MAJOR, streaming } from './test-server.js'

describe(`slot actions on PostgreSQL ${MAJOR}`, () => {
  let server: PostgresServer

  beforeAll(async () => {
    server = await launchTestServer({ settings: { wal_level: 'logical' } })
  })
  afterAll(() => server?.[Symbol.asyncDispose]())

  async function run(...args: string[]) {
    await using program = ReceiverProcess.dropIn([...args, '-d', server.dsn])
    return await program.exit
  }

  const slots = (name: string) =>
    server.query(
      'SELECT slot_type, temporary, active, restart_lsn FROM pg_replication_slots WHERE slot_name = $1',
      [name],
    )
  const silent = { status: 0, stdout: '', stderr: '' }
  const failed = (...lines: string[]) => ({
    status: 1,
    stdout: '',
    stderr: lines.map((line) => `pg_receivewal: ${line}\n`).join(''),
  })

  it('make a physical slot that keeps nothing before its first use, and drop it', async () => {
    expect(await run('--create-slot', '-S', 'made')).toEqual(silent)
    expect(await slots('made')).toEqual([
      { slot_type: 'physical', temporary: false, active: false, restart_lsn: null },
    ])
    expect(await run('--create-slot', '-S', 'made')).toEqual(
      failed(
        'error: could not send replication command "CREATE_REPLICATION_SLOT "made" PHYSICAL": ERROR:  replication slot "made" already exists',
      ),
    )
    expect(await run('--create-slot', '--if-not-exists', '-S', 'made')).toEqual(silent)
    expect(await run('--create-slot', '--if-not-exists', '-v', '-S', 'made')).toEqual({
      ...silent,
      stderr: 'pg_receivewal: creating replication slot "made"\n',
    })
    expect(await run('--drop-slot', '-v', '-S', 'made')).toEqual({
      ...silent,
      stderr: 'pg_receivewal: dropping replication slot "made"\n',
    })
    expect(await slots('made')).toEqual([])
    // Of no use here, as in the original.
    expect(await run('--drop-slot', '--if-not-exists', '-S', 'made')).toEqual(
      failed(
        'error: could not send replication command "DROP_REPLICATION_SLOT "made"": ERROR:  replication slot "made" does not exist',
      ),
    )
  })

  it('a logical slot of that name is accepted as it is', async () => {
    await server.query(`SELECT pg_create_logical_replication_slot('logical', 'test_decoding')`)
    expect(await run('--create-slot', '--if-not-exists', '-S', 'logical')).toEqual(silent)
    expect(await slots('logical')).toMatchObject([{ slot_type: 'logical' }])
  })

  it('a slot in use is not dropped, and the answer names who uses it', async () => {
    expect(await run('--create-slot', '-S', 'used')).toEqual(silent)
    const directory = await testDirectory()
    await using receiver = ReceiverProcess.dropIn(['-D', directory, '-S', 'used', '-d', server.dsn])
    await streaming(server)
    const pid = await server.value('SELECT pid FROM pg_stat_replication')
    const { status, stderr } = await run('--drop-slot', '-S', 'used')
    expect(status).toBe(1)
    expect(stderr.split('\n')[0]).toBe(
      `pg_receivewal: error: could not send replication command "DROP_REPLICATION_SLOT "used"": ERROR:  replication slot "used" is active for PID ${pid}`,
    )
    expect((await receiver.stop()).status).toBe(0)
    expect(await run('--drop-slot', '-S', 'used')).toEqual(silent)
  })

  it('a name the server does not like is refused in its words', async () => {
    const { status, stderr } = await run('--create-slot', '-S', 'Bad-Name')
    expect(status).toBe(1)
    expect(stderr).toContain('ERROR:  replication slot name "Bad-Name" contains invalid character\n')
    expect(stderr).toContain('HINT:  Replication slot names may only contain')
  })

  it('walship slot create and drop do the same', async () => {
    const walship = async (...args: string[]) => {
      await using program = ReceiverProcess.command(['slot', ...args, '-d', server.dsn])
      return await program.exit
    }
    expect(await walship('create', 'daemon')).toEqual(silent)
    expect(await slots('daemon')).toHaveLength(1)
    expect(await walship('create', '--if-not-exists', 'daemon')).toEqual(silent)
    expect(await walship('drop', 'daemon')).toEqual(silent)
    expect(await slots('daemon')).toEqual([])
    const { status, stderr } = await walship('drop', 'daemon')
    expect(status).toBe(1)
    expect(stderr).toContain('replication slot "daemon" does not exist')
  })
})
