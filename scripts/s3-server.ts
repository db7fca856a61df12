/**
 * An S3 server of one's own for a test or a bench: in a temporary folder, on the loopback address, with keys
 * made for it. Nothing of it is left after stop, nor after the death of this process.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes, randomInt } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import http from 'node:http'
import https from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ensureS3ServerBinary } from './s3-server-binary.js'
import { S3ServerWatchdog } from './s3-server-watchdog.js'
import { waitFor } from './wait-for.js'

const START_TIMEOUT_MS = 30_000
const PORT_ATTEMPTS = 5
const REGION = 'us-east-1'

/** What a client needs to know to use a bucket. */
export interface S3Access {
  /** `http://127.0.0.1:<port>`; buckets are in the path. */
  readonly endpoint: string
  readonly region: string
  readonly bucket: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

export interface S3ServerOptions {
  /** PEM files; with them the server speaks https only. */
  readonly tls?: { readonly certificate: string; readonly key: string }
}

/** The environment in which a program started by a test finds these keys, and no others of this machine. */
export function s3Environment(access: S3Access): Record<string, string> {
  return {
    AWS_ACCESS_KEY_ID: access.accessKeyId,
    AWS_SECRET_ACCESS_KEY: access.secretAccessKey,
    AWS_REGION: access.region,
    AWS_EC2_METADATA_DISABLED: 'true',
  }
}

/** A port below those that Linux gives to outgoing connections: it stays ours while nobody listens on it. */
export function pickPort(): number {
  return randomInt(20_000, 32_000)
}

export class S3Server implements S3Access, AsyncDisposable {
  readonly region = REGION
  readonly bucket = 'walship'
  readonly accessKeyId = `TEST${randomBytes(8).toString('hex').toUpperCase()}`
  readonly secretAccessKey = randomBytes(20).toString('hex')
  readonly #binary: string
  readonly #root: string
  readonly #watchdog: S3ServerWatchdog
  readonly #options: S3ServerOptions
  /** Known to our own process only, so that another server on the port is never taken for it. */
  readonly #healthPath = `/health-${randomBytes(8).toString('hex')}`
  #port = pickPort()
  #process: ChildProcess | null = null

  private constructor(binary: string, root: string, options: S3ServerOptions) {
    this.#binary = binary
    this.#root = root
    this.#options = options
    this.#watchdog = new S3ServerWatchdog(root)
  }

  /** A running server with one empty bucket. Throws when there is no program to run. */
  static async start(options: S3ServerOptions = {}): Promise<S3Server> {
    const binary = await ensureS3ServerBinary()
    if ('missing' in binary) throw new Error(binary.missing)
    const server = new S3Server(binary.path, await mkdtemp(join(tmpdir(), 'walship-s3-')), options)
    try {
      await mkdir(server.bucketDirectory, { recursive: true })
      await mkdir(server.#sidecar)
      await server.#startOnSomePort()
      return server
    } catch (error) {
      await server.stop()
      throw error
    }
  }

  get endpoint(): string {
    return `${this.#options.tls === undefined ? 'http' : 'https'}://127.0.0.1:${this.#port}`
  }

  /** Where the objects are, each a plain file named by its key. Removing it removes the bucket. */
  get bucketDirectory(): string {
    return join(this.#root, 'data', this.bucket)
  }

  get #sidecar(): string {
    return join(this.#root, 'sidecar')
  }

  /** SIGKILL, as if the power had gone: open connections break, new ones are refused. */
  async kill(): Promise<void> {
    const running = this.#process
    if (running === null) return
    const exited = running.exitCode === null && running.signalCode === null ? once(running, 'exit') : null
    running.kill('SIGKILL')
    await exited
    this.#process = null
    await this.#watchdog.forget()
  }

  /** Starts it again after `kill`, at the same address, on what it had stored. */
  async restart(): Promise<void> {
    await this.kill()
    await this.#run()
  }

  async stop(): Promise<void> {
    await this.kill()
    await this.#watchdog.end()
    await rm(this.#root, { recursive: true, force: true })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async #startOnSomePort(): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#run()
      } catch (error) {
        if (attempt === PORT_ATTEMPTS || !String(error).includes('address already in use')) throw error
        this.#port = pickPort()
      }
    }
  }

  async #run(): Promise<void> {
    try {
      await this.#runWith([])
    } catch (error) {
      // Metadata beside the objects is not written in one step with them, but works on every file system.
      if (!/xattr/i.test(String(error))) throw error
      await this.#runWith(['--sidecar', this.#sidecar])
    }
  }

  async #runWith(storage: readonly string[]): Promise<void> {
    const { tls } = this.#options
    const address = [
      '--port',
      `127.0.0.1:${this.#port}`,
      '--region',
      this.region,
      '--health',
      this.#healthPath,
    ]
    if (tls !== undefined) address.push('--cert', tls.certificate, '--key', tls.key)
    const args = [...address, '--keep-alive', '--quiet', 'posix', ...storage, join(this.#root, 'data')]
    const started = spawn(this.#binary, args, {
      // By the environment, because every user of this machine may read a program's arguments.
      env: {
        PATH: process.env.PATH,
        ROOT_ACCESS_KEY_ID: this.accessKeyId,
        ROOT_SECRET_ACCESS_KEY: this.secretAccessKey,
      },
      cwd: this.#root,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    await this.#watchdog.watch(started)
    this.#process = started
    let output = ''
    const keep = (text: Buffer) => {
      output = (output + text).slice(-4000)
    }
    started.stdout.on('data', keep)
    started.stderr.on('data', keep)
    const closed = once(started, 'close')
    await waitFor(
      'the S3 server to answer',
      async () => {
        if (await answers(`${this.endpoint}${this.#healthPath}`)) return true
        if (started.exitCode === null && started.signalCode === null) return false
        await closed
        throw new Error(`the S3 server did not start: ${output.trim()}`)
      },
      START_TIMEOUT_MS,
    )
  }
}

function answers(url: string): Promise<boolean> {
  return new Promise((resolve) => {
    const { get } = url.startsWith('https:') ? https : http
    get(url, { agent: false, rejectUnauthorized: false } as https.RequestOptions, (response) => {
      response.resume()
      resolve(response.statusCode === 200)
    }).once('error', () => resolve(false))
  })
}
