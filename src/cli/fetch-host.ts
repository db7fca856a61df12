import type { TextSink } from './program-host.js'

/** What `walship fetch` sees of the process it runs in. Tests put their own in its place. */
export interface FetchHost {
  /** The command line after the word fetch. */
  readonly arguments: readonly string[]
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly workingDirectory: string
  readonly processId: number
  readonly stdout: TextSink
  readonly stderr: TextSink
  /** Whether a process of this machine exists. */
  isRunning(pid: number): boolean
  /**
   * Starts a process that fetches ahead and outlives this one.
   *
   * @param words its command line
   * @returns its process id, undefined when it could not be started
   */
  startPrefetcher(words: readonly string[]): number | undefined
}
