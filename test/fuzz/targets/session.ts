import { once } from 'node:events'
import net from 'node:net'
import { WalshipError } from '../../../src/base/index.js'
import {
  type ConnectOptions,
  PhysicalReplicationConnection,
  ReplicationEnded,
} from '../../../src/pg/index.js'
import { type FuzzTarget, isOurs, leaked, must } from '../judge.js'
import { mutateBytes } from '../mutate.js'
import type { Random } from '../random.js'
import { sessionFrames } from '../seeds.js'

/**
 * Says the next answer at each thing a client sends, whatever it is. From the changed one on nobody can tell who waits
 * for whom, so what is left comes at once, or nothing more, and the line is closed.
 */
class Replay {
  readonly #server: net.Server
  readonly #sockets = new Set<net.Socket>()
  answers: readonly Buffer[] = []
  /** What comes in place of the answers from `changedAt` on. */
  ending: Buffer = Buffer.alloc(0)
  changedAt = 0

  constructor() {
    this.#server = net.createServer((socket) => {
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
      socket.on('error', () => {})
      let said = 0
      socket.on('data', () => {
        if (said < this.changedAt) socket.write(this.answers[said]!)
        else if (said === this.changedAt) socket.end(this.ending)
        said += 1
      })
    })
  }

  async listen(): Promise<ConnectOptions> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    const { port } = this.#server.address() as net.AddressInfo
    return { host: '127.0.0.1', port, user: 'nobody', password: 'none', keywords: { sslmode: 'disable' } }
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }
}

interface Recorded {
  readonly replay: Replay
  readonly options: ConnectOptions
  /** What the server said in answer to one thing each. */
  readonly answers: readonly Buffer[]
  readonly frames: readonly Buffer[]
}

let recorded: Promise<Recorded> | undefined

async function start(): Promise<Recorded> {
  const replay = new Replay()
  const frames = sessionFrames()
  const answers: Buffer[] = []
  let answer: Buffer[] = []
  for (const frame of frames) {
    answer.push(frame)
    // Each answer ends with ReadyForQuery, or with CopyBothResponse and all that follows in the stream.
    if (frame[0] !== 0x5a) continue
    answers.push(Buffer.concat(answer))
    answer = []
  }
  return { replay, options: await replay.listen(), answers, frames }
}

/** The whole client over a real socket: start-up, commands, a stream, its end. The server then closes the line. */
export const sessionTarget: FuzzTarget = {
  name: 'session',
  shortRuns: 400,
  async run(random) {
    recorded ??= start()
    const { replay, options, answers, frames } = await recorded
    const changedAt = random.below(answers.length)
    const changed = mutateBytes(random, answers[changedAt]!, frames)
    replay.answers = answers
    replay.changedAt = changedAt
    replay.ending = random.onceIn(2) ? changed : Buffer.concat([changed, ...answers.slice(changedAt + 1)])
    try {
      await talk(random, options)
    } catch (error) {
      if (!isOurs(error) && !(error instanceof ReplicationEnded)) throw leaked('the session', error)
    }
  },
  async close() {
    await (await recorded)?.replay.close()
    recorded = undefined
  },
}

async function talk(random: Random, options: ConnectOptions): Promise<void> {
  const connection = await PhysicalReplicationConnection.connect(options)
  try {
    const { timeline, systemId } = await connection.identifySystem()
    must(timeline > 0 && timeline <= 0xffff_ffff, `a timeline of ${timeline} was believed`)
    must(/^\d{1,20}$/.test(systemId), `a system identifier "${systemId}" was believed`)
    await connection.createReplicationSlot('recorded')
    await settle(connection.readReplicationSlot('recorded'))
    await settle(connection.timelineHistory(9))
    const started = await connection.startReplication({ startLsn: '0/3000000', timeline: 1 })
    if (started.kind === 'ended') return
    if (random.onceIn(2)) await connection.streamWal({ onWal() {} })
    else for (;;) await connection.readReplicationMessage()
  } finally {
    connection.destroy()
  }
}

async function settle(answer: Promise<unknown>): Promise<void> {
  await answer.catch((error) => {
    if (!(error instanceof WalshipError)) throw error
  })
}
