/** The first start with a store that cannot be used: what the receiver says, and that it goes on once it can be. */
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import type { PostgresServer } from '../../scripts/postgres-server.js'
import { pickPort } from '../../scripts/s3-server.js'
import { namesIn } from '../live/received-wal.js'
import type { ReceiverProcess } from '../live/receiver-process.js'
import { testDirectory } from '../live/test-directory.js'
import { launchTestServer, MAJOR, reported, switchSegment, writeWal } from '../live/test-server.js'
import { describeWithS3 } from '../support/s3-server.js'
import { archived, expectArchivedWal } from './archived-wal.js'
import { DrillBucket, hasLogged, logged } from './drill-bucket.js'

describeWithS3(`a first start against a store that cannot be used, PostgreSQL ${MAJOR}`, () => {
  let server: PostgresServer
  let bucket: DrillBucket
  let directory: string

  beforeAll(async () => {
    server = await launchTestServer()
  })
  afterAll(() => server?.[Symbol.asyncDispose]())
  beforeEach(async () => {
    bucket = await DrillBucket.open()
    directory = await testDirectory()
  })

  function receive(env: Record<string, string>, ...options: string[]): ReceiverProcess {
    const args = ['-D', directory, '-d', server.dsn, '--s3-attempts', '1', ...options]
    return bucket.receiveWith(args, env)
  }

  it.each([
    ['a wrong key', 'STORE_DENIED', () => receive({ AWS_SECRET_ACCESS_KEY: 'not-the-secret' })],
    [
      'a bucket that is not there',
      'STORE_NO_BUCKET',
      () => receive({}, '--store', 's3://no-such-bucket-of-walship/prefix'),
    ],
    [
      'an address where nobody listens',
      'STORE_UNREACHABLE',
      () => receive({}, '--s3-endpoint', `http://127.0.0.1:${pickPort()}`),
    ],
  ])('%s is said once, with a next step, and waited for', async (_what, code, start) => {
    const receiver = start()
    await hasLogged(receiver, 'store_failing')
    await hasLogged(receiver, 'retrying', 2)
    const [failing] = logged(receiver, 'store_failing')
    expect(failing).toMatchObject({ code })
    expect(String(failing?.msg).length).toBeGreaterThan(20)
    expect(String(failing?.hint)).not.toBe('undefined')
    expect(logged(receiver, 'store_failing')).toHaveLength(1)
    // Nothing says where to begin, so nothing is received: the archive may hold more than an empty directory.
    expect(await namesIn(directory)).toEqual([])
    const { status, stderr } = await receiver.stop('SIGTERM')
    expect(status).toBe(0)
    for (const secret of ['not-the-secret', bucket.bucket.secretAccessKey])
      expect(stderr).not.toContain(secret)
  })

  it('is no loss when the store comes later', async () => {
    await bucket.proxy.refuse()
    const receiver = receive({}, '--ack', 'archived', '-S', 'later', '--ensure-slot')
    await hasLogged(receiver, 'store_failing')
    await writeWal(server, 1024)
    await bucket.proxy.accept()
    await hasLogged(receiver, 'store_recovered')
    const end = await switchSegment(server)
    await reported(server, 'flush_lsn', end)
    const archive = await bucket.archive()
    await archived(archive, end)
    expect(await expectArchivedWal(archive, server.walDirectory, { to: end })).not.toEqual([])
    expect((await receiver.stop('SIGTERM')).status).toBe(0)
  })

  it.each([
    ['no URL', 'elsewhere'],
    ['of a kind unknown', 'gs://bucket/prefix'],
  ])('a store that is %s is refused at once', async (_what, url) => {
    const receiver = receive({}, '--store', url)
    const { status, stderr } = await receiver.exit
    expect(status).toBe(1)
    expect(stderr).toContain(`\\"${url}\\" is no store`)
    expect(stderr).toContain('s3://BUCKET/PREFIX')
  })
})
