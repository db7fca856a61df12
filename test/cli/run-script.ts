import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export interface ScriptResult {
  readonly status: number | null
  readonly signal: NodeJS.Signals | null
  readonly out: string
  readonly err: string
}

/**
 * Runs a TypeScript file of this folder in a process of its own, in a new session: without a
 * terminal, whatever the tests were started from.
 *
 * @param input what it finds on stdin; null leaves stdin open
 * @param options.onErr called with all of stderr so far, each time there is more
 */
export function runScript(
  file: string,
  input: string | null,
  options: {
    readonly onErr?: (text: string, kill: (signal: NodeJS.Signals) => void) => void
    readonly environment?: Readonly<Record<string, string>>
  } = {},
): Promise<ScriptResult> {
  const path = fileURLToPath(new URL(file, import.meta.url))
  const child = spawn(process.execPath, ['--import', 'tsx', path], {
    detached: true,
    env: { ...process.env, ...options.environment },
  })
  let out = ''
  let err = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text
    options.onErr?.(err, (signal) => child.kill(signal))
  })
  // It may be gone before it has read all.
  child.stdin.on('error', () => {})
  if (input !== null) child.stdin.end(input)
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (status, signal) => resolve({ status, signal, out, err }))
  })
}
