/** What a process takes of the machine, over time, and whether it grows. Linux only. */
import { readdirSync, readFileSync } from 'node:fs'

export interface Sample {
  readonly rssBytes: number
  readonly descriptors: number
  readonly threads: number
  /** Files in the directory it writes to. */
  readonly files: number
}

/** Null when the process is gone. */
export function sampleOf(pid: number, directory: string): Sample | null {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    const field = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1])
    return {
      rssBytes: field('VmRSS') * 1024,
      descriptors: readdirSync(`/proc/${pid}/fd`).length,
      threads: field('Threads'),
      files: readdirSync(directory).length,
    }
  } catch {
    return null
  }
}

/** How much more of a thing is normal noise: a share of what there was, and some in any case. */
const ALLOWED: Readonly<Record<keyof Sample, { readonly share: number; readonly count: number }>> = {
  rssBytes: { share: 0.15, count: 24 * 1024 * 1024 },
  // Connections to the store come and go with its faults.
  descriptors: { share: 0, count: 12 },
  threads: { share: 0, count: 4 },
  files: { share: 0.25, count: 12 },
}

/** The first part is warming up: code, pools, caches. */
const WARM_UP = 1 / 3

/**
 * Compares the middle of the samples with the last ones, by their medians: a peak is no growth.
 *
 * @returns one sentence for each thing that grows
 */
export function growth(samples: readonly Sample[]): string[] {
  const later = samples.slice(Math.floor(samples.length * WARM_UP))
  if (later.length < 4) return []
  const half = Math.floor(later.length / 2)
  const found: string[] = []
  for (const [key, { share, count }] of Object.entries(ALLOWED) as [
    keyof Sample,
    (typeof ALLOWED)['files'],
  ][]) {
    const before = median(later.slice(0, half).map((sample) => sample[key]))
    const after = median(later.slice(half).map((sample) => sample[key]))
    if (after > before * (1 + share) + count) found.push(`${key} went from ${before} to ${after}`)
  }
  return found
}

export function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? 0
}
