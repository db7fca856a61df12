/** A receiver as its users run it: the built program in a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const WALSHIP = fileURLToPath(new URL('../../bin/walship', import.meta.url))
const DROP_IN = fileURLToPath(new URL('../../bin/pg_receivewal', import.meta.url))

export interface ReceiverExit {
  /** Exit code, or the signal that ended it. */
  readonly status: number | NodeJS.Signals
  readonly stdout: string
  readonly stderr: string
}

/** What a receiver finds around it; by default a bare environment and this process's user. */
export interface ReceiverSurroundings {
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  readonly uid?: number
  readonly gid?: number
}

export class ReceiverProcess implements AsyncDisposable {
  readonly exit: Promise<ReceiverExit>
  readonly #child: ChildProcess
  readonly #waiting = new Set<() => void>()
  #stdout = ''
  #stderr = ''
  #ended = false

  /** `pg_receivewal ...args` as walship plays it. */
  static dropIn(args: readonly string[], surroundings?: ReceiverSurroundings): ReceiverProcess {
    return new ReceiverProcess(DROP_IN, args, surroundings)
  }

  /** `walship receive ...args`. */
  static walship(args: readonly string[], surroundings?: ReceiverSurroundings): ReceiverProcess {
    return new ReceiverProcess(WALSHIP, ['receive', ...args], surroundings)
  }

  /** `walship ...args`. */
  static command(args: readonly string[]): ReceiverProcess {
    return new ReceiverProcess(WALSHIP, args)
  }

  constructor(program: string, args: readonly string[], surroundings: ReceiverSurroundings = {}) {
    const env = { PATH: process.env.PATH, HOME: '/nonexistent', LC_ALL: 'C', ...surroundings.env }
    this.#child = spawn(program, args, { ...surroundings, stdio: ['ignore', 'pipe', 'pipe'], env })
    this.#child.stdout!.setEncoding('utf8').on('data', (text) => {
      this.#stdout += text
    })
    this.#child.stderr!.setEncoding('utf8').on('data', (text) => {
      this.#stderr += text
      for (const wake of this.#waiting) wake()
    })
    this.exit = new Promise((resolve, reject) => {
      this.#child.once('error', reject)
      this.#child.once('close', (code, signal) => {
        this.#ended = true
        process.off('exit', this.#killAtExit)
        for (const wake of this.#waiting) wake()
        resolve({ status: code ?? signal!, stdout: this.#stdout, stderr: this.#stderr })
      })
    })
    process.once('exit', this.#killAtExit)
  }

  get pid(): number {
    return this.#child.pid!
  }

  /** True once it is gone and all it has written was read. */
  get hasEnded(): boolean {
    return this.#ended
  }

  get stderr(): string {
    return this.#stderr
  }

  /** Returns when stderr has matched. Fails when the program ended without. */
  async said(pattern: RegExp): Promise<void> {
    while (!pattern.test(this.#stderr)) {
      if (this.#ended) throw new Error(`the receiver ended without saying ${pattern}:\n${this.#stderr}`)
      await new Promise<void>((wake) => {
        const once = () => {
          this.#waiting.delete(once)
          wake()
        }
        this.#waiting.add(once)
      })
    }
  }

  /** Sends a signal and does not wait for what comes of it. */
  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  async stop(signal: NodeJS.Signals = 'SIGINT'): Promise<ReceiverExit> {
    this.#child.kill(signal)
    return this.exit
  }

  async [Symbol.asyncDispose](): Promise<void> {
    process.off('exit', this.#killAtExit)
    if (!this.#ended) await this.stop('SIGKILL')
  }

  readonly #killAtExit = () => {
    this.#child.kill('SIGKILL')
  }
}
