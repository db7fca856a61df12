/** The preloaded part that lets a receiver's own calls fail, records them, and moves its clock: see disk-shim.c. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const SOURCE = fileURLToPath(new URL('./disk-shim.c', import.meta.url))
const CONTROL_SIZE = 32

/** As `enum call` in disk-shim.c. */
const CALLS = { write: 1, sync: 2, 'directory-sync': 3, rename: 4, open: 5, truncate: 6 } as const
const ERRORS = { EIO: 5, ENOSPC: 28, EMFILE: 24, EFBIG: 27, EDQUOT: 122 } as const

export type FailingCall = keyof typeof CALLS
export type FailureCode = keyof typeof ERRORS

let compiled: string | null | undefined

/** Path of the library; null where it cannot be built, with a loud line. */
function library(): string | null {
  if (compiled !== undefined) return compiled
  compiled = null
  if (process.platform !== 'linux') return compiled
  const folder = mkdtempSync(join(tmpdir(), 'walship-shim-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  const path = join(folder, 'disk-shim.so')
  const built = spawnSync('cc', ['-O1', '-shared', '-fPIC', '-o', path, SOURCE, '-ldl'], { encoding: 'utf8' })
  if (built.status === 0) compiled = path
  else process.stderr.write(`!! NO C COMPILER: ${built.error?.message ?? built.stderr}\n`)
  return compiled
}

export function shimIsThere(): boolean {
  return library() !== null
}

export class Shim {
  readonly #folder: string
  readonly #directory: string
  #control = Buffer.alloc(CONTROL_SIZE)

  /** @param directory whose files are watched */
  constructor(directory: string) {
    this.#directory = directory
    this.#folder = mkdtempSync(join(tmpdir(), 'walship-shim-'))
    process.once('exit', this.#removeAtExit)
    this.#write()
  }

  get #controlFile(): string {
    return join(this.#folder, 'control')
  }

  get recordFile(): string {
    return join(this.#folder, 'record')
  }

  /** What a receiver is started with. libuv's io_uring would go around the library. */
  environment(options: { record?: boolean } = {}): Record<string, string> {
    return {
      LD_PRELOAD: library()!,
      UV_USE_IO_URING: '0',
      CAMPAIGN_DIRECTORY: this.#directory,
      CAMPAIGN_CONTROL: this.#controlFile,
      ...(options.record ? { CAMPAIGN_LOG: this.recordFile } : {}),
    }
  }

  /** From now on: `skip` calls go well, the next `times` fail. */
  fail(call: FailingCall, code: FailureCode, { skip = 0, times = 1 } = {}): void {
    this.#control.writeInt32LE(0, 8)
    this.#write()
    this.#control.writeInt32LE(CALLS[call], 0)
    this.#control.writeInt32LE(skip, 4)
    this.#control.writeInt32LE(times, 8)
    this.#control.writeInt32LE(ERRORS[code], 12)
    this.#write()
  }

  heal(): void {
    this.#control.writeInt32LE(0, 0)
    this.#control.writeInt32LE(0, 8)
    this.#write()
  }

  /** Calls that have failed so far. */
  get hits(): number {
    return readFileSync(this.#controlFile).readInt32LE(24)
  }

  moveClock(seconds: number): void {
    this.#control.writeBigInt64LE(BigInt(Math.round(seconds)) * 1_000_000_000n, 16)
    this.#write()
  }

  close(): void {
    process.off('exit', this.#removeAtExit)
    this.#removeAtExit()
  }

  readonly #removeAtExit = () => rmSync(this.#folder, { recursive: true, force: true })

  /** In place, because the receiver has the file mapped. */
  #write(): void {
    const hits = this.#control.readInt32LE(24)
    let flag = 'r+'
    try {
      this.#control.writeInt32LE(this.hits, 24)
    } catch {
      this.#control.writeInt32LE(hits, 24)
      flag = 'w'
    }
    writeFileSync(this.#controlFile, this.#control, { flag })
  }
}
