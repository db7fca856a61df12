import { PassThrough } from 'node:stream'
import type { ProgramHost } from '../../src/cli/program-host.js'

/** A program's surroundings for tests: what it writes is kept, signals are sent by hand. */
export class FakeHost implements ProgramHost {
  readonly invokedAs: string
  readonly arguments: readonly string[]
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly stdin = new PassThrough()
  out = ''
  err = ''
  readonly raised: NodeJS.Signals[] = []
  readonly exits: number[] = []
  readonly listeners = new Map<NodeJS.Signals, Set<() => void>>()

  constructor(
    args: readonly string[],
    {
      invokedAs = 'pg_receivewal',
      environment = {},
    }: { invokedAs?: string; environment?: Record<string, string> } = {},
  ) {
    this.arguments = args
    this.invokedAs = invokedAs
    this.environment = environment
  }

  readonly stdout = {
    write: (text: string) => {
      this.out += text
    },
  }
  readonly stderr = {
    isTTY: false,
    write: (text: string) => {
      this.err += text
    },
  }
  readonly signals = {
    on: (signal: NodeJS.Signals, listener: () => void) => {
      const listeners = this.listeners.get(signal) ?? new Set()
      this.listeners.set(signal, listeners.add(listener))
    },
    off: (signal: NodeJS.Signals, listener: () => void) => void this.listeners.get(signal)?.delete(listener),
    raise: (signal: NodeJS.Signals) => void this.raised.push(signal),
    exit: (status: number) => void this.exits.push(status),
  }

  send(signal: NodeJS.Signals): void {
    for (const listener of [...(this.listeners.get(signal) ?? [])]) listener()
  }
}
