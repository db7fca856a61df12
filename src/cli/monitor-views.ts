import type { ReplicaStatus, ServerStatus, SlotStatus } from '../monitor/index.js'
import { formatLsn, type Lsn } from '../wal/index.js'
import { textTable } from './text-table.js'

/** What is there at one moment; without replicas only the slots were asked for. */
export interface MonitorSnapshot {
  readonly slots: readonly SlotStatus[]
  readonly server?: ServerStatus
  readonly replicas?: readonly ReplicaStatus[]
}

/** For a person. */
export function snapshotText({ server, slots, replicas }: MonitorSnapshot): string {
  const parts: string[] = []
  if (server !== undefined)
    parts.push(`${server.role}, PostgreSQL ${server.version}, at ${lsnText(server.position)}\n`)
  parts.push(slots.length === 0 ? 'no replication slots\n' : slotTable(slots))
  if (replicas !== undefined) parts.push(replicas.length === 0 ? 'no replicas\n' : replicaTable(replicas))
  return parts.join('\n')
}

/** For programs: positions as text, counts of bytes as numbers, times in ISO 8601. */
export function snapshotJson(snapshot: MonitorSnapshot, indent?: number): string {
  const whole = snapshot.server === undefined ? snapshot.slots : snapshot
  const plain = (key: string, value: unknown) => {
    if (typeof value !== 'bigint') return value
    return /Lsn$|^position$/.test(key) ? formatLsn(value as Lsn) : Number(value)
  }
  return `${JSON.stringify(whole, plain, indent)}\n`
}

function slotTable(slots: readonly SlotStatus[]): string {
  const headings = ['slot', 'type', 'plugin', 'database', 'pid', 'restart', 'confirmed', 'keeps', 'state']
  const rows = slots.map((slot) => [
    slot.slotName,
    slot.temporary ? `${slot.slotType}, temporary` : slot.slotType,
    slot.plugin ?? '-',
    slot.database ?? '-',
    slot.active ? String(slot.activePid ?? 'active') : '-',
    lsnText(slot.restartLsn),
    lsnText(slot.confirmedFlushLsn),
    slot.lagSize ?? '-',
    slot.invalidationReason ?? slot.walStatus ?? '-',
  ])
  return textTable(headings, rows)
}

function replicaTable(replicas: readonly ReplicaStatus[]): string {
  const headings = [
    'replica',
    'pid',
    'address',
    'slot',
    'state',
    'sync',
    'flushed',
    'sent',
    'written',
    'durable',
    'replayed',
  ]
  const rows = replicas.map((replica) => [
    replica.applicationName || '-',
    String(replica.pid),
    replica.clientAddress ?? 'local',
    replica.slotName ?? '-',
    replica.state ?? '-',
    replica.syncState ?? '-',
    lsnText(replica.flushLsn),
    behindText(replica.behindBytes.sent),
    behindText(replica.behindBytes.write),
    behindText(replica.behindBytes.flush),
    behindText(replica.behindBytes.replay),
  ])
  return `${textTable(headings, rows)}(sent, written, durable, replayed: how far each is behind the server)\n`
}

function lsnText(lsn: Lsn | null): string {
  return lsn === null ? '-' : formatLsn(lsn)
}

const UNITS = ['bytes', 'kB', 'MB', 'GB', 'TB', 'PB']

/** As the server's pg_size_pretty counts: the next unit from ten of it on. */
export function behindText(byteCount: bigint | null): string {
  if (byteCount === null) return '-'
  let value = Number(byteCount)
  let unit = 0
  while (Math.abs(value) >= 10 * 1024 && unit < UNITS.length - 1) {
    value /= 1024
    unit++
  }
  return `${Math.round(value)} ${UNITS[unit]}`
}
