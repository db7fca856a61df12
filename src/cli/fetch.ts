import { fetchFromSpool } from './fetch-from-spool.js'
import type { FetchHost } from './fetch-host.js'
import { FETCH_STATUS } from './fetch-status.js'

/**
 * `walship fetch`, the restore_command. What lies ready in the spool is served with as little code loaded as
 * possible; all else goes through the whole program.
 *
 * @param args the command line after the word fetch
 * @returns the exit status
 */
export async function fetch(args: readonly string[]): Promise<number> {
  const host = hostOfThisProcess(args)
  if (fetchFromSpool(host)) return FETCH_STATUS.restored
  return (await import('./fetch-from-archive.js')).runFetch(host)
}

/** The other end of {@link FetchHost.startPrefetcher}: `walship fetch-ahead`. @returns the exit status */
export async function fetchAhead(args: readonly string[]): Promise<number> {
  return (await import('./fetch-ahead.js')).runFetchAhead(hostOfThisProcess(args))
}

/** What fetching has no use for is not handed on to a process that outlives its parent. */
const NOT_FOR_PREFETCHERS: Readonly<Record<string, undefined>> = {
  PGPASSWORD: undefined,
  WALSHIP_HTTP_TOKEN: undefined,
  WALSHIP_HEARTBEAT_URL: undefined,
}

function hostOfThisProcess(args: readonly string[]): FetchHost {
  // A word about the SDK's plans for old versions of Node.js, in a server's log for every segment, helps nobody.
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true'
  return {
    arguments: args,
    environment: process.env,
    workingDirectory: process.cwd(),
    processId: process.pid,
    get stdout() {
      return process.stdout
    },
    get stderr() {
      // When nobody reads the messages the answer is the same. Not set up before there is a message: it takes time.
      if (process.stderr.listenerCount('error') === 0) process.stderr.on('error', () => {})
      return process.stderr
    },
    isRunning,
    startPrefetcher: (words) => {
      // In a session of its own: a server that stops signals the whole process group of its restore_command.
      // Loaded here and not above: few calls need it.
      const { spawn } = process.getBuiltinModule('node:child_process')
      const child = spawn(process.execPath, [process.argv[1]!, 'fetch-ahead', ...words], {
        detached: true,
        stdio: 'ignore',
        env: { ...process.env, ...NOT_FOR_PREFETCHERS },
      })
      child.on('error', () => {})
      child.unref()
      return child.pid
    },
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // A process of another user is one, too.
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}
