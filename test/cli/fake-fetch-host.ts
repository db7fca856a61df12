import type { FetchHost } from '../../src/cli/fetch-host.js'

/** The surroundings of `walship fetch` for tests: what it writes and starts is kept, nothing is run. */
export class FakeFetchHost implements FetchHost {
  readonly arguments: readonly string[]
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly workingDirectory: string
  readonly processId = 4711
  err = ''
  /** Command lines of prefetchers that were started; each runs for ever. */
  readonly prefetchers: (readonly string[])[] = []

  constructor(
    args: readonly string[],
    workingDirectory: string,
    environment: Readonly<Record<string, string | undefined>> = {},
  ) {
    this.arguments = args
    this.workingDirectory = workingDirectory
    this.environment = environment
  }

  readonly stdout = { write: () => {} }
  readonly stderr = {
    write: (text: string) => {
      this.err += text
    },
  }

  isRunning(pid: number): boolean {
    return pid === this.processId || pid <= this.prefetchers.length
  }

  startPrefetcher(words: readonly string[]): number {
    return this.prefetchers.push(words)
  }
}
