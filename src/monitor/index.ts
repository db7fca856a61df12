export type { MonitorOptions, QueryConnection } from './query-connection.js'
export { type EachPosition, monitorReplication, type ReplicaStatus } from './replicas.js'
export { monitorServer, type ServerStatus } from './server.js'
export { monitorSlots, type SlotStatus } from './slots.js'
