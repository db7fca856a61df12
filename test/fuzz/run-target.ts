import type { FuzzTarget } from './judge.js'
import { caseSeed, Random } from './random.js'

export interface FuzzRun {
  readonly target: string
  readonly inputs: number
  /** The most memory for bytes that one case left behind, in bytes. */
  readonly mostBytes: number
  readonly findings: readonly { readonly index: number; readonly error: unknown }[]
}

/** What one input may make a parser reserve, in bytes: more than any segment, message or object of a seed needs. */
const MEMORY_BOUND = 96 * 1024 * 1024

/** A run that finds the same thing again and again stops. */
const ENOUGH_FINDINGS = 5

/**
 * @param first number of the first case; a finding's own number repeats it alone
 * @param onCase called before each case, so that one that never ends can be named
 */
export async function runTarget(
  target: FuzzTarget,
  seed: number,
  first: number,
  runs: number,
  onCase: (index: number) => void,
): Promise<FuzzRun> {
  const findings: { index: number; error: unknown }[] = []
  let mostBytes = 0
  let inputs = 0
  for (let index = first; index < first + runs && findings.length < ENOUGH_FINDINGS; index++) {
    onCase(index)
    const before = process.memoryUsage().arrayBuffers
    try {
      await target.run(new Random(caseSeed(seed, index)))
    } catch (error) {
      findings.push({ index, error })
    }
    inputs++
    const taken = process.memoryUsage().arrayBuffers - before
    mostBytes = Math.max(mostBytes, taken)
    if (taken > MEMORY_BOUND)
      findings.push({ index, error: new Error(`one input took ${taken} bytes of memory`) })
  }
  await target.close?.()
  return { target: target.name, inputs, mostBytes, findings }
}
