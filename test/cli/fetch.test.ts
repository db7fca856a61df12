import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { runFetchAhead } from '../../src/cli/fetch-ahead.js'
import { runFetch } from '../../src/cli/fetch-from-archive.js'
import { fetchFromSpool } from '../../src/cli/fetch-from-spool.js'
import { DEFAULT_STORE_COMPRESSION } from '../../src/codec/index.js'
import { openStore, WalArchive } from '../../src/store/index.js'
import { SEGMENT_SIZE, SYSTEM_IDENTIFIER, segmentBytes, segmentNamed } from '../restore/known-segments.js'
import { testFolder } from '../restore/test-folder.js'
import { FakeFetchHost } from './fake-fetch-host.js'

let store: string
let data: string
let target: string
let archive: WalArchive

beforeEach(async () => {
  store = join(testFolder(), 'archive')
  mkdirSync(store)
  archive = await WalArchive.open(await openStore(`file://${store}`, {}), {
    compression: DEFAULT_STORE_COMPRESSION,
    identity: { systemIdentifier: String(SYSTEM_IDENTIFIER), segmentSize: SEGMENT_SIZE, layoutVersion: 1 },
  })
  data = testFolder()
  for (const folder of ['global', 'pg_wal']) mkdirSync(join(data, folder))
  writeControlFile(SYSTEM_IDENTIFIER)
  // Absolute, because a test cannot change its directory; a server passes pg_wal/RECOVERYXLOG.
  target = join(data, 'pg_wal/RECOVERYXLOG')
})

function writeControlFile(systemIdentifier: bigint): void {
  writeFileSync(
    join(data, 'global/pg_control'),
    new Uint8Array(new BigUint64Array([systemIdentifier]).buffer),
  )
}

async function putSegments(from: number, to: number): Promise<void> {
  for (let number = from; number <= to; number++)
    await archive.putSegment(segmentNamed(number), segmentBytes(segmentNamed(number)))
}

function hostFor(name: string, ...options: string[]): FakeFetchHost {
  return new FakeFetchHost(['--store', `file://${store}`, '--retry-for=0', ...options, name, target], data)
}

/** The SDK's chain of credentials looks at the process itself. */
function credentials(): void {
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'a')
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'verysecret')
  onTestFinished(() => void vi.unstubAllEnvs())
}

/** As bin/walship does it: the short way, then the long one. */
async function fetch(host: FakeFetchHost): Promise<number> {
  return fetchFromSpool(host) ? 0 : runFetch(host)
}

function spoolFolder(): string {
  const parent = join(data, 'pg_wal/walship-fetch')
  return join(parent, readdirSync(parent)[0]!)
}

describe('walship fetch', () => {
  it('restores a segment and starts a prefetcher behind it', async () => {
    await putSegments(1, 3)
    const host = hostFor(segmentNamed(1))
    expect(await fetch(host)).toBe(0)
    expect(readFileSync(target).equals(segmentBytes(segmentNamed(1)))).toBe(true)
    expect(host.err).toBe('')
    expect(host.prefetchers).toEqual([host.arguments])
  })

  it('serves what the prefetcher brought, without the archive', async () => {
    await putSegments(1, 4)
    const first = hostFor(segmentNamed(1))
    await fetch(first)
    rmSync(join(spoolFolder(), 'prefetch.lock'))
    expect(await runFetchAhead(new FakeFetchHost(first.prefetchers[0]!, data))).toBe(0)
    rmSync(store, { recursive: true })
    for (const number of [2, 3, 4]) {
      const host = hostFor(segmentNamed(number))
      expect(fetchFromSpool(host)).toBe(true)
      expect(readFileSync(target).equals(segmentBytes(segmentNamed(number)))).toBe(true)
    }
    expect(await fetch(hostFor(segmentNamed(5)))).toBe(200)
  })

  it('waits for a segment that is on its way into the spool', async () => {
    await putSegments(1, 1)
    await fetch(hostFor(segmentNamed(1)))
    rmSync(store, { recursive: true })
    const unfinished = join(spoolFolder(), `${segmentNamed(2)}.1.fetching`)
    writeFileSync(unfinished, segmentBytes(segmentNamed(2)))
    // The prefetcher that holds the lock is number 1 of this host too.
    const host = hostFor(segmentNamed(2))
    host.prefetchers.push([])
    const done = fetch(host)
    setImmediate(() => renameSync(unfinished, join(spoolFolder(), segmentNamed(2))))
    expect(await done).toBe(0)
    expect(readFileSync(target).equals(segmentBytes(segmentNamed(2)))).toBe(true)
  })

  it('does not wait for one that was killed on the way', async () => {
    await putSegments(1, 2)
    await fetch(hostFor(segmentNamed(1)))
    writeFileSync(join(spoolFolder(), `${segmentNamed(2)}.1.fetching`), 'half')
    expect(await fetch(hostFor(segmentNamed(2)))).toBe(0)
    expect(readFileSync(target).equals(segmentBytes(segmentNamed(2)))).toBe(true)
  })

  it('tries again while the store does not answer, and says so once', async () => {
    let requests = 0
    const server = createServer((_request, response) => {
      requests++
      response.writeHead(requests <= 3 ? 503 : 404, { 'content-type': 'application/xml' })
      response.end(
        `<Error><Code>${requests <= 3 ? 'SlowDown' : 'NoSuchKey'}</Code><Message>x</Message></Error>`,
      )
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void server.close())
    const { port } = server.address() as AddressInfo
    const options = [
      `--s3-endpoint=http://127.0.0.1:${port}`,
      '--s3-attempts=1',
      '--store=s3://bucket/x',
      '--retry-for=30',
    ]
    credentials()
    const host = new FakeFetchHost([...options, segmentNamed(1), target], data)
    expect(await fetch(host)).toBe(200)
    expect(requests).toBeGreaterThan(3)
    expect(host.err.match(/warning:/g)).toHaveLength(1)
    expect(host.err).toContain('there is no walship archive')
  })

  it('does not start a second prefetcher while there is one', async () => {
    await putSegments(1, 2)
    const host = hostFor(segmentNamed(1))
    await fetch(host)
    await fetch(host)
    expect(host.prefetchers).toHaveLength(1)
  })

  it('starts none for --prefetch 0, for what is missing, for the open segment, and outside of recovery', async () => {
    await putSegments(1, 2)
    await archive.putTailPart(
      { timeline: 1, segment: 3n, from: 0, to: 5000 },
      segmentBytes(segmentNamed(3)).subarray(0, 5000),
    )
    const hosts = [
      hostFor(segmentNamed(1), '--prefetch', '0'),
      hostFor(segmentNamed(3)),
      hostFor(segmentNamed(4)),
    ]
    for (const [index, status] of [0, 0, 1].entries()) expect(await fetch(hosts[index]!)).toBe(status)
    target = join(data, 'pg_wal', segmentNamed(1))
    const rewind = hostFor(segmentNamed(1))
    expect(await fetch(rewind)).toBe(0)
    for (const host of [...hosts, rewind]) expect(host.prefetchers).toEqual([])
  })

  it('leaves nothing in a data directory for pg_rewind to stumble over', async () => {
    await putSegments(1, 1)
    target = join(data, 'pg_wal', segmentNamed(1))
    expect(await fetch(hostFor(segmentNamed(1)))).toBe(0)
    expect(readdirSync(join(data, 'pg_wal'))).toEqual([segmentNamed(1)])
  })

  it('serves nothing from the spool of another store', async () => {
    await putSegments(1, 1)
    await fetch(hostFor(segmentNamed(1)))
    writeFileSync(join(spoolFolder(), segmentNamed(2)), segmentBytes(segmentNamed(2)))
    const other = new FakeFetchHost(['--store', 's3://other/archive', segmentNamed(2), target], data)
    expect(fetchFromSpool(other)).toBe(false)
    const environment = { WALSHIP_S3_ENDPOINT: 'http://127.0.0.1:1' }
    expect(fetchFromSpool(new FakeFetchHost(hostFor(segmentNamed(2)).arguments, data, environment))).toBe(
      false,
    )
    expect(fetchFromSpool(hostFor(segmentNamed(2)))).toBe(true)
  })

  it('answers all the same when there can be no spool', async () => {
    await putSegments(1, 1)
    writeFileSync(join(data, 'pg_wal/walship-fetch'), 'in the way')
    expect(await fetch(hostFor(segmentNamed(1)))).toBe(0)
    expect(await fetch(hostFor(segmentNamed(2)))).toBe(1)
  })

  it('removes what was fetched ahead when recovery is over', async () => {
    await putSegments(1, 2)
    await fetch(hostFor(segmentNamed(1), '--prefetch', '0'))
    writeFileSync(join(spoolFolder(), segmentNamed(2)), segmentBytes(segmentNamed(2)))
    expect(await fetch(hostFor('00000002.history', '--prefetch', '0'))).toBe(1)
    expect(readdirSync(spoolFolder())).toEqual(['asked'])
  })

  it('says 1 for what is surely not there, without a word', async () => {
    for (const name of [segmentNamed(9), '00000002.history', `${segmentNamed(1)}.00000028.backup`]) {
      const host = hostFor(name)
      expect(await fetch(host)).toBe(1)
      expect(host.err).toBe('')
    }
  })

  it('takes options from the environment, and behind the operands', async () => {
    await putSegments(1, 1)
    const environment = { WALSHIP_STORE: `file://${store}`, WALSHIP_RETRY_FOR: '0' }
    expect(await fetch(new FakeFetchHost([segmentNamed(1), target], data, environment))).toBe(0)
    const behind = [segmentNamed(1), target, '--store', `file://${store}`]
    expect(await fetch(new FakeFetchHost(behind, data))).toBe(0)
  })
})

describe('walship fetch ends with 200', () => {
  /** No answer, no file, an error and a hint. */
  async function expectCannotTell(host: FakeFetchHost, text: string | RegExp): Promise<void> {
    expect(await fetch(host)).toBe(200)
    expect(host.err).toMatch(text)
    expect(host.err).toMatch(/^walship: error: /m)
    expect(host.err).toMatch(/^walship: hint: /m)
    expect(existsSync(target)).toBe(false)
  }

  it.each([
    ['no store', [segmentNamed(1), 'T'], 'no store specified'],
    ['an empty command line', [], 'a file name and a path are needed'],
    ['one word', [segmentNamed(1)], 'a file name and a path are needed'],
    ['a path of two words', [segmentNamed(1), 'a', 'b'], 'a file name and a path are needed'],
    ['an unknown option', ['--nonsense', segmentNamed(1), 'T'], 'nonsense'],
    ['an option without its value', [segmentNamed(1), 'T', '--store'], 'requires an argument'],
    ['a bad number', ['--prefetch', 'x', segmentNamed(1), 'T'], 'invalid value "x" for option --prefetch'],
    ['a bad URL', ['--store', 'ftp://x', segmentNamed(1), 'T'], 'is no store'],
    [
      'a bad option of the store',
      ['--store', 's3://x', '--s3-attempts', 'x', segmentNamed(1), 'T'],
      's3-attempts',
    ],
  ])('for %s', async (_what, args, text) => {
    await expectCannotTell(
      new FakeFetchHost(
        args.map((word) => (word === 'T' ? target : word)),
        data,
      ),
      text,
    )
  })

  it('for a variable that makes no sense', async () => {
    const host = new FakeFetchHost(hostFor(segmentNamed(1)).arguments, data, { WALSHIP_PREFETCH: 'x' })
    await expectCannotTell(host, 'invalid value "x"')
  })

  it('for a store that is not there', async () => {
    rmSync(store, { recursive: true })
    await expectCannotTell(hostFor(segmentNamed(1)), store)
  })

  it('for a store where there is no archive', async () => {
    store = testFolder()
    await expectCannotTell(hostFor(segmentNamed(1)), 'there is no walship archive at')
  })

  it('for the archive of another cluster', async () => {
    await putSegments(1, 1)
    writeControlFile(5n)
    await expectCannotTell(hostFor(segmentNamed(1)), 'that of another cluster')
  })

  it('for a damaged object', async () => {
    await putSegments(1, 1)
    const folder = join(store, 'wal/00000001')
    const object = join(folder, readdirSync(folder).find((name) => name.startsWith(segmentNamed(1)))!)
    const bytes = readFileSync(object)
    bytes[bytes.length >> 1]! ^= 1
    chmodSync(object, 0o600)
    writeFileSync(object, bytes)
    await expectCannotTell(hostFor(segmentNamed(1)), segmentNamed(1))
  })

  it('for names and paths that were swapped', async () => {
    await expectCannotTell(
      new FakeFetchHost(['--store', `file://${store}`, target, segmentNamed(1)], data),
      'is not the name',
    )
  })

  it('for a target that cannot be written', async () => {
    await putSegments(1, 1)
    target = join(data, 'nowhere/RECOVERYXLOG')
    await expectCannotTell(hostFor(segmentNamed(1)), 'could not write file')
  })

  it('when nobody listens at the endpoint of the store', async () => {
    const args = [
      '--s3-endpoint=http://127.0.0.1:1',
      '--s3-attempts=1',
      '--retry-for=0',
      '--store=s3://bucket/x',
    ]
    credentials()
    const host = new FakeFetchHost([...args, segmentNamed(1), target], data)
    await expectCannotTell(host, 's3://bucket/x')
    expect(host.err).not.toContain('verysecret')
  })
})

describe('walship fetch-ahead', () => {
  it('does nothing while another one is at work', async () => {
    await putSegments(1, 3)
    const first = hostFor(segmentNamed(1))
    await fetch(first)
    const second = new FakeFetchHost(first.prefetchers[0]!, data)
    second.prefetchers.push([])
    expect(await runFetchAhead(second)).toBe(0)
    expect(readdirSync(spoolFolder()).sort()).toEqual(['asked', 'prefetch.lock'])
  })

  it('fails without a word, leaves the reason, and frees the lock', async () => {
    await putSegments(1, 3)
    const first = hostFor(segmentNamed(1))
    await fetch(first)
    rmSync(join(spoolFolder(), 'prefetch.lock'))
    rmSync(store, { recursive: true })
    const host = new FakeFetchHost(first.prefetchers[0]!, data)
    expect(await runFetchAhead(host)).toBe(0)
    expect(host.err).toBe('')
    expect(readFileSync(join(spoolFolder(), 'prefetch.error'), 'utf8')).toContain(store)
    expect(readdirSync(spoolFolder()).sort()).toEqual(['asked', 'prefetch.error'])
  })

  it('takes no segment of another cluster', async () => {
    await putSegments(1, 3)
    const first = hostFor(segmentNamed(1))
    await fetch(first)
    rmSync(join(spoolFolder(), 'prefetch.lock'))
    writeControlFile(5n)
    await runFetchAhead(new FakeFetchHost(first.prefetchers[0]!, data))
    expect(readdirSync(spoolFolder()).sort()).toEqual(['asked', 'prefetch.error'])
  })
})
