import { closeSync, openSync, writeSync } from 'node:fs'
import { ReadStream } from 'node:tty'
import { WalshipError } from '../base/index.js'
import type { ProgramHost, SignalSource } from './program-host.js'

/**
 * Asks for a password: on the terminal without showing it, even when stdin and stderr lead
 * elsewhere; on stdin and stderr where there is no terminal.
 */
const PROMPT = 'Password: '

/**
 * @param stop a stop request that is being listened for. While there is none, signals end the
 *   process as they do by default, but not before the terminal shows what is typed again.
 * @throws WalshipError `CLI_PASSWORD_PROMPT` when input ends before a line was read
 */
export async function promptPassword(host: ProgramHost, stop: AbortSignal | undefined): Promise<string> {
  const terminal = openTerminal()
  if (terminal === undefined) {
    host.stderr.write(PROMPT)
    return readLine(host.stdin, stop)
  }
  const restoreSignals = stop === undefined ? guardSignals(host.signals, () => terminal.restore()) : () => {}
  try {
    terminal.write(PROMPT)
    return await readHiddenLine(terminal.input, host.signals, () => terminal.restore(), stop)
  } finally {
    terminal.restore()
    restoreSignals()
    terminal.write('\n')
    terminal.close()
  }
}

interface Terminal {
  readonly input: ReadStream
  write(text: string): void
  restore(): void
  close(): void
}

function openTerminal(): Terminal | undefined {
  let inputFd: number
  let outputFd: number
  try {
    inputFd = openSync('/dev/tty', 'r')
  } catch {
    return undefined
  }
  try {
    outputFd = openSync('/dev/tty', 'w')
  } catch {
    closeSync(inputFd)
    return undefined
  }
  const input = new ReadStream(inputFd)
  input.setRawMode(true)
  return {
    input,
    write: (text) => void writeSync(outputFd, text),
    restore: () => void input.setRawMode(false),
    close: () => {
      input.destroy()
      closeSync(outputFd)
    },
  }
}

const ENDING_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const

/** Lets these signals end the process as by default, after `restore`. */
function guardSignals(signals: SignalSource, restore: () => void): () => void {
  const guards = ENDING_SIGNALS.map((signal) => {
    const listener = () => {
      restore()
      signals.off(signal, listener)
      signals.raise(signal)
    }
    signals.on(signal, listener)
    return { signal, listener }
  })
  return () => {
    for (const { signal, listener } of guards) signals.off(signal, listener)
  }
}

/** What the keys that a terminal turns into signals stand for; raw mode hands them over as bytes. */
const SIGNAL_KEYS: Readonly<Record<string, NodeJS.Signals>> = { '\x03': 'SIGINT', '\x1c': 'SIGQUIT' }

function readHiddenLine(
  input: ReadStream,
  signals: SignalSource,
  restore: () => void,
  stop: AbortSignal | undefined,
): Promise<string> {
  let line: string[] = []
  return readUntilDone(input, stop, (text, done) => {
    if (text === null) return done.reject(inputEnded())
    for (const key of text) {
      if (key === '\r' || key === '\n') return done.resolve(line.join(''))
      if (key === '\x04' && line.length === 0) return done.reject(inputEnded())
      if (key === '\x7f' || key === '\b') line.pop()
      else if (key === '\x15') line = []
      else if (SIGNAL_KEYS[key] !== undefined) {
        restore()
        signals.raise(SIGNAL_KEYS[key])
      } else if (key >= ' ') line.push(key)
    }
  })
}

function readLine(input: NodeJS.ReadableStream, stop: AbortSignal | undefined): Promise<string> {
  let read = ''
  return readUntilDone(input, stop, (text, done) => {
    if (text === null) return read === '' ? done.reject(inputEnded()) : done.resolve(read)
    read += text
    const end = read.indexOf('\n')
    if (end >= 0) done.resolve(read.slice(0, end).replace(/\r$/, ''))
  })
}

interface Done {
  resolve(line: string): void
  reject(error: Error): void
}

/** Feeds `input` to `take`, and null at its end, until that is done or a stop is asked for. */
function readUntilDone(
  input: NodeJS.ReadableStream,
  stop: AbortSignal | undefined,
  take: (text: string | null, done: Done) => void,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const finish = (settle: () => void) => {
      input.off('data', onData).off('end', onEnd).off('error', onError)
      stop?.removeEventListener('abort', onStop)
      input.pause()
      settle()
    }
    const done: Done = {
      resolve: (line) => finish(() => resolve(line)),
      reject: (error) => finish(() => reject(error)),
    }
    const onData = (text: string) => take(text, done)
    const onEnd = () => take(null, done)
    const onError = (cause: Error) => done.reject(inputEnded(cause))
    const onStop = () => done.reject(stopped())
    if (stop?.aborted) return done.reject(stopped())
    stop?.addEventListener('abort', onStop, { once: true })
    input.setEncoding('utf8')
    input.on('data', onData).on('end', onEnd).on('error', onError)
    input.resume()
  })
}

function inputEnded(cause?: unknown): WalshipError {
  return new WalshipError('could not read a password: end of input', {
    code: 'CLI_PASSWORD_PROMPT',
    hint: 'put the password into a password file (~/.pgpass) or PGPASSWORD, or use --no-password',
    cause,
  })
}

function stopped(): WalshipError {
  return new WalshipError('stopped while waiting for a password', { code: 'CLI_STOPPED' })
}
