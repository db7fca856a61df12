/**
 * With `--ack archived` what the server hears is what the store has: requests fail in every way, the receiver is killed,
 * its directory goes with it, lines are cut, and still each acknowledged byte is in the store.
 */
import { createHash } from 'node:crypto'
import { mkdirSync, rmSync } from 'node:fs'
import { S3Server, s3Environment } from '../../scripts/s3-server.js'
import { waitFor } from '../../scripts/wait-for.js'
import { DEFAULT_STORE_COMPRESSION } from '../../src/codec/index.js'
import { type ObjectStore, openStore, parseStoreOptions, WalArchive } from '../../src/store/index.js'
import { parseLsn } from '../../src/wal/index.js'
import { expectArchivedWal } from '../drills/archived-wal.js'
import { EVERY_FAULT, FaultProxy } from '../support/fault-proxy.js'
import { below, pick, randomNumbers } from '../support/random.js'
import type { Ground, Outcome } from './kinds.js'
import { Lab, SEGMENT_SIZE } from './lab.js'

const STRIKES = 5
const FAULTS = 300
const CATCH_UP_MS = 90_000

export async function storeRun(ground: Ground, seed: number): Promise<Outcome> {
  const random = randomNumbers(seed)
  const setup = { program: 'walship', compression: 'none', synchronous: random() < 0.5 } as const
  const lab = await Lab.open(await ground.server('walship'), setup, random)
  const s3 = await S3Server.start()
  const proxy = await FaultProxy.start(s3.endpoint)
  Object.assign(process.env, s3Environment(s3), { AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true' })
  const url = `s3://${s3.bucket}/run`
  const store = await openStore(url, parseStoreOptions({ 's3-endpoint': s3.endpoint }, {}))
  const hashes = new Map<string, string>()
  try {
    lab.surroundings = { env: s3Environment(s3) }
    lab.more.push(
      '--store',
      url,
      '--s3-endpoint',
      proxy.endpoint,
      '--ack',
      'archived',
      '--tail-interval',
      '0.2',
    )
    for (let nth = 1, planned = 0; planned < FAULTS; planned++) {
      nth += 1 + below(random, 8)
      proxy.plan(random() < 0.5 ? { method: 'PUT' } : {}, pick(random, EVERY_FAULT), { nth })
    }
    lab.startReceiver()
    lab.startLoad()
    for (let strike = 0; strike < STRIKES; strike++) {
      await lab.progress(SEGMENT_SIZE * (0.3 + random()))
      await lab.pause(1500)
      await strikeAt(lab, proxy)
      await check(lab, store, hashes)
      await lab.ensureReceiver()
    }
    proxy.heal()
    await lab.stopLoad()
    await lab.ensureReceiver()
    const end = parseLsn(await lab.server.value('SELECT pg_switch_wal()'))
    await waitFor(
      'everything to be acknowledged',
      async () => {
        await lab.ensureReceiver()
        return lab.recorder.flushed(1) >= end
      },
      CATCH_UP_MS,
    )
    await lab.stopReceiver()
    await check(lab, store, hashes)
  } catch (error) {
    lab.problems.push(`the run itself failed: ${(error as Error).stack}; ${lab.receiver?.stderr.slice(-600)}`)
  } finally {
    await lab[Symbol.asyncDispose]()
    await store.close()
    await proxy.stop()
    await s3.stop()
  }
  const { acknowledgedBytes, lostBytes, problems } = lab
  return { strikes: STRIKES, acknowledgedBytes, lostBytes, problems, setup: JSON.stringify(setup) }
}

async function strikeAt(lab: Lab, proxy: FaultProxy): Promise<void> {
  const luck = lab.random()
  if (luck < 0.6) {
    await lab.stopReceiver('SIGKILL')
    if (luck > 0.3) return
    // The machine is lost, and its disk.
    rmSync(lab.directory, { recursive: true })
    mkdirSync(lab.directory)
  } else if (luck < 0.8) {
    lab.recorder.cut()
  } else {
    await proxy.refuse()
    await lab.pause(3000)
    await proxy.accept()
  }
}

/** Everything acknowledged is in the store, and no object but a tail's has changed or gone. */
async function check(lab: Lab, store: ObjectStore, hashes: Map<string, string>): Promise<void> {
  const claimed = lab.recorder.flushed(1)
  const archive = await WalArchive.open(store, { compression: DEFAULT_STORE_COMPRESSION })
  const { first } = lab
  // While the receiver ships, a tail's parts give way to their segment between two looks.
  for (let attempt = 1; first !== null && claimed > first; attempt++) {
    try {
      await expectArchivedWal(archive, lab.server.walDirectory, { from: first, to: claimed })
      break
    } catch (error) {
      if (attempt < 5) continue
      lab.problems.push((error as Error).message)
      lab.lostBytes += 1
      break
    }
  }
  for await (const { key } of store.list('')) {
    if (key.startsWith('tail/')) continue
    const object = await store.get(key)
    if (object === null) continue
    const hash = createHash('sha256').update(object.body).digest('hex')
    const before = hashes.get(key)
    if (before !== undefined && before !== hash) lab.problems.push(`object ${key} has changed`)
    hashes.set(key, hash)
  }
  for (const key of hashes.keys())
    if ((await store.head(key)) === null) lab.problems.push(`object ${key} is gone`)
}
