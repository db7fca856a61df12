/**
 * One receiver with everything on, for as long as is asked for: load that comes in waves, disasters at random that it has
 * to live through, now and then a kill. What was acknowledged is compared as it goes, and nothing may grow.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { S3Server, s3Environment } from '../../scripts/s3-server.js'
import { waitFor } from '../../scripts/wait-for.js'
import { DEFAULT_STORE_COMPRESSION } from '../../src/codec/index.js'
import { openStore, parseStoreOptions, WalArchive } from '../../src/store/index.js'
import { type Lsn, parseLsn, segmentFloor } from '../../src/wal/index.js'
import { expectArchivedWal } from '../drills/archived-wal.js'
import { EVERY_FAULT, FaultProxy } from '../support/fault-proxy.js'
import { pick, type Random, randomNumbers } from '../support/random.js'
import { Lab, SEGMENT_SIZE, startServer } from './lab.js'
import { growth, median, type Sample, sampleOf } from './process-samples.js'

const SAMPLE_MS = 500
const CATCH_UP_MS = 90_000
/** One disaster in so many is the death of the receiver, which begins the samples anew. */
const KILL_EVERY = 300

export interface SoakResult {
  readonly disasters: Readonly<Record<string, number>>
  readonly acknowledgedBytes: number
  readonly samples: number
  /** Medians of the last life's samples. */
  readonly last: Sample | null
  readonly problems: readonly string[]
}

interface Ground {
  readonly lab: Lab
  readonly proxy: FaultProxy
}

const DISASTERS: Readonly<Record<string, (ground: Ground) => Promise<void>>> = {
  cut: async ({ lab }) => lab.recorder.cut(),
  'half-closed': async ({ lab }) => lab.recorder.halfClose(pick(lab.random, ['receiver', 'server'] as const)),
  stall: async ({ lab }) => {
    lab.recorder.stall()
    await lab.pause(3000)
    lab.recorder.resume()
  },
  pieces: async ({ lab }) => {
    lab.recorder.trickle(50)
    await lab.pause(200)
    lab.recorder.trickle(0)
  },
  freeze: async ({ lab }) => {
    lab.receiver?.signal('SIGSTOP')
    await lab.pause(7000)
    lab.receiver?.signal('SIGCONT')
  },
  'server-fast': async ({ lab }) => {
    await lab.server.stop('fast')
    await lab.server.start()
  },
  'server-kill': async ({ lab }) => {
    await lab.server.kill()
    await lab.server.start()
  },
  'store-faults': async ({ lab, proxy }) => {
    for (let nth = 1; nth < 30; nth += 3) proxy.plan({}, pick(lab.random, EVERY_FAULT), { nth })
    await lab.pause(2000)
    proxy.heal()
  },
  'store-down': async ({ lab, proxy }) => {
    await proxy.refuse()
    await lab.pause(4000)
    await proxy.accept()
  },
}

export async function soak(minutes: number, seed: number, tell: (line: string) => void): Promise<SoakResult> {
  const random = randomNumbers(seed)
  const server = await startServer('walship')
  const lab = await Lab.open(server, { program: 'walship', compression: 'none', synchronous: true }, random)
  const s3 = await S3Server.start()
  const proxy = await FaultProxy.start(s3.endpoint)
  Object.assign(process.env, s3Environment(s3), { AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true' })
  const url = `s3://${s3.bucket}/soak`
  const store = await openStore(url, parseStoreOptions({ 's3-endpoint': s3.endpoint }, {}))
  lab.surroundings = { env: s3Environment(s3) }
  lab.more.push('--store', url, '--s3-endpoint', proxy.endpoint, '--ack', 'archived', '--keep-local', '4')
  const disasters: Record<string, number> = {}
  const problems: string[] = []
  let lives: Sample[][] = [[]]
  const sampler = setInterval(() => {
    const sample = lab.receiver === null ? null : sampleOf(lab.receiver.pid, lab.directory)
    if (sample !== null) lives.at(-1)!.push(sample)
    // The proxy's own list is the soak's, not the receiver's.
    proxy.forget()
  }, SAMPLE_MS)
  let checked: Lsn | null = null
  try {
    lab.startReceiver()
    lab.startLoad()
    const until = Date.now() + minutes * 60_000
    for (let nth = 1; Date.now() < until; nth++) {
      await wave(lab, random)
      const name = nth % KILL_EVERY === 0 ? 'kill' : pick(random, Object.keys(DISASTERS))
      disasters[name] = (disasters[name] ?? 0) + 1
      if (name === 'kill') {
        await lab.stopReceiver('SIGKILL')
        lives.push([])
      } else await DISASTERS[name]!({ lab, proxy })
      if (lab.receiver?.hasEnded) {
        problems.push(`the receiver ended by itself after "${name}": ${lab.receiver.stderr.slice(-500)}`)
        lives.push([])
      }
      await lab.ensureReceiver()
      if (nth % 10 === 0) {
        checked = await compare(lab, store, checked)
        tell(
          `${Math.round((until - Date.now()) / 60_000)} min left, ${nth} disasters, ${describe(lives.at(-1)!)}`,
        )
      }
    }
    proxy.heal()
    await lab.stopLoad()
    const end = parseLsn(await lab.server.value('SELECT pg_switch_wal()'))
    await waitFor('everything to be acknowledged', () => lab.recorder.flushed(1) >= end, CATCH_UP_MS)
    await compare(lab, store, checked)
    const status = await lab.stopReceiver('SIGTERM')
    if (status !== 0) problems.push(`the receiver ended with ${status}`)
  } catch (error) {
    problems.push(`${(error as Error).stack}; ${lab.receiver?.stderr.slice(-500)}`)
  } finally {
    clearInterval(sampler)
    await lab[Symbol.asyncDispose]()
    await store.close()
    await proxy.stop()
    await s3.stop()
    await server[Symbol.asyncDispose]()
  }
  lives = lives.filter((samples) => samples.length > 0)
  for (const samples of lives) problems.push(...growth(samples))
  return {
    disasters,
    acknowledgedBytes: lab.acknowledgedBytes,
    samples: lives.flat().length,
    last: middle(lives.at(-1) ?? []),
    problems: [...problems, ...lab.problems],
  }
}

/** Load and rest in turns. */
async function wave(lab: Lab, random: Random): Promise<void> {
  if (random() < 0.3) {
    await lab.stopLoad()
    await lab.pause(2000)
    lab.startLoad()
  }
  await sleep(300 + random() * 1500)
}

/** @returns up to where all is well, so that the next look begins there */
async function compare(
  lab: Lab,
  store: Parameters<typeof WalArchive.open>[0],
  checked: Lsn | null,
): Promise<Lsn | null> {
  const from = checked ?? lab.first
  const to = lab.recorder.flushed(1)
  if (from === null || to <= from) return checked
  const archive = await WalArchive.open(store, { compression: DEFAULT_STORE_COMPRESSION })
  for (let attempt = 1; ; attempt++) {
    try {
      await expectArchivedWal(archive, lab.server.walDirectory, { from, to })
      return segmentFloor(to, SEGMENT_SIZE)
    } catch (error) {
      // A tail's parts give way to their segment between two looks.
      if (attempt === 5) throw error
    }
  }
}

function middle(samples: readonly Sample[]): Sample | null {
  if (samples.length === 0) return null
  const of = (key: keyof Sample) => median(samples.map((sample) => sample[key]))
  return {
    rssBytes: of('rssBytes'),
    descriptors: of('descriptors'),
    threads: of('threads'),
    files: of('files'),
  }
}

function describe(samples: readonly Sample[]): string {
  const last = samples.at(-1)
  if (last === undefined) return 'no sample'
  const { rssBytes, descriptors, threads, files } = last
  return `RSS ${Math.round(rssBytes / 2 ** 20)} MB, ${descriptors} descriptors, ${threads} threads, ${files} files`
}
