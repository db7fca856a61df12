/** What a program sees of the process it runs in. Tests put their own in its place. */
export interface ProgramHost {
  /** argv[0] as it was typed, which getopt's complaints repeat. */
  readonly invokedAs: string
  /** The command line after the program's name. */
  readonly arguments: readonly string[]
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly stdin: NodeJS.ReadableStream
  readonly stdout: TextSink
  readonly stderr: TextSink
  readonly signals: SignalSource
}

export interface TextSink {
  write(text: string): unknown
  readonly isTTY?: boolean
}

/** The part of `process` that signals need. */
export interface SignalSource {
  on(signal: NodeJS.Signals, listener: () => void): unknown
  off(signal: NodeJS.Signals, listener: () => void): unknown
  /** Sends a signal to this process itself. */
  raise(signal: NodeJS.Signals): void
  /** Ends the process at once. */
  exit(status: number): void
}

/** The status a program ends with. */
export const EXIT = {
  /** Stopped on request, end position reached, or the slot action done. */
  done: 0,
  failed: 1,
  /** `walship` could not understand its command line. pg_receivewal has 1 for this too. */
  usage: 2,
} as const
