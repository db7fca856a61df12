/** How a test server is configured: its settings, who may connect, and the port it listens on. */
import { once } from 'node:events'
import { createServer } from 'node:net'

export type Settings = Readonly<Record<string, string | number | boolean>>

export const DEFAULT_SETTINGS: Settings = {
  listen_addresses: '127.0.0.1',
  wal_level: 'replica',
  max_wal_senders: 10,
  max_replication_slots: 10,
  max_connections: 40,
  shared_buffers: '32MB',
  // Files inside the data directory instead of /dev/shm, where a killed server would leave them.
  dynamic_shared_memory_type: 'mmap',
  hot_standby: true,
  log_replication_commands: true,
  log_line_prefix: '%m [%p] ',
  fsync: false,
}

export const TRUST_EVERYONE = `
local all         all                trust
host  all         all 127.0.0.1/32   trust
local replication all                trust
host  replication all 127.0.0.1/32   trust
`

/** Lines for postgresql.conf (or recovery.conf). */
export function settingLines(settings: Settings): string {
  return Object.entries(settings)
    .map(([name, value]) => `${name} = '${String(value).replaceAll("'", "''")}'\n`)
    .join('')
}

/** A free port below the range the system hands out for outgoing connections, so that none is lost to one. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000)
    const probe = createServer()
    const outcome = once(probe, 'listening').then(
      () => true,
      () => false,
    )
    probe.listen(port, '127.0.0.1')
    const free = await outcome
    if (free) {
      probe.close()
      return port
    }
  }
}
