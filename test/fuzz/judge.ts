import { WalshipError } from '../../src/base/index.js'
import type { Random } from './random.js'

/** One kind of bad input: `run` makes one input from the chance it is given, and checks what comes of it. */
export interface FuzzTarget {
  readonly name: string
  /** Inputs of a short pass, which has some seconds for all targets together. */
  readonly shortRuns: number
  run(random: Random): void | Promise<void>
  /** Gives back what the target holds. */
  close?(): Promise<void>
}

/** What must not happen has happened. */
export class Finding extends Error {}

/** An error of ours that says what was wrong. */
export function isOurs(error: unknown): error is WalshipError {
  return (
    error instanceof WalshipError &&
    /^[A-Z][A-Z0-9]*(_[A-Z0-9]+)+$/.test(error.code) &&
    error.message.length > 0 &&
    error.message.length < 200_000
  )
}

export type Outcome<Value> = { readonly value: Value } | { readonly error: WalshipError }

/** Runs what may fail, as long as it fails with an error of ours. */
export function judged<Value>(what: string, run: () => Value): Outcome<Value> {
  try {
    return { value: run() }
  } catch (error) {
    if (isOurs(error)) return { error }
    throw leaked(what, error)
  }
}

export async function judgedAsync<Value>(what: string, run: () => Promise<Value>): Promise<Outcome<Value>> {
  try {
    return { value: await run() }
  } catch (error) {
    if (isOurs(error)) return { error }
    throw leaked(what, error)
  }
}

export function leaked(what: string, error: unknown): Finding {
  const shown = error instanceof Error ? `${error.name}: ${error.message.slice(0, 300)}` : String(error)
  return new Finding(`${what} ended with ${shown}`, { cause: error })
}

export function must(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Finding(what)
}

/** The first line in which two texts differ, from both. */
export function firstDifference(one: string, other: string): string {
  const lines = [one.split('\n'), other.split('\n')] as const
  const at = lines[0].findIndex((line, index) => line !== lines[1][index])
  const shown = lines.map((each) =>
    JSON.stringify((at < 0 ? '' : (each[at] ?? 'nothing more')).slice(0, 200)),
  )
  return `line ${at}: ${shown.join(' and ')}`
}
