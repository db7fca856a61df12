import { isValidSegmentSize } from '../wal/index.js'
import {
  identityLost,
  noIdentity,
  otherCluster,
  otherSegmentSize,
  unreadableIdentity,
} from './archive-errors.js'
import { IDENTITY_KEY, WAL_FOLDERS } from './archive-layout.js'
import { operationFailed } from './errors.js'
import type { ObjectStore, OperationOptions } from './object-store.js'

/** Whose WAL an archive holds. Written once, as `cluster.json`, before anything else. */
export interface ArchiveIdentity {
  /** Decimal, as pg_controldata shows it. */
  readonly systemIdentifier: string
  /** bytes */
  readonly segmentSize: number
  readonly layoutVersion: 1
}

/** Bytes; it has some hundred. */
const MAX_IDENTITY_SIZE = 64 * 1024

/** @returns null when the store surely has none */
export async function readIdentity(
  store: ObjectStore,
  options: OperationOptions,
): Promise<ArchiveIdentity | null> {
  const object = await store.get(IDENTITY_KEY, { ...options, maxSize: MAX_IDENTITY_SIZE })
  return object === null ? null : parseIdentity(object.body, store.name)
}

/**
 * Compares an archive with the cluster that wants to use it; makes it that cluster's when it is new.
 *
 * @param mayCreate false: an archive without identity is an error
 * @throws WalArchiveError `ARCHIVE_OTHER_CLUSTER`, `ARCHIVE_NO_IDENTITY`, `ARCHIVE_LAYOUT`
 */
export async function claimArchive(
  store: ObjectStore,
  wanted: ArchiveIdentity,
  mayCreate: boolean,
  options: OperationOptions,
): Promise<ArchiveIdentity> {
  let found = await readIdentity(store, options)
  if (found === null) {
    if (!mayCreate) throw noIdentity(store.name)
    for (const folder of WAL_FOLDERS) {
      for await (const { key } of store.list(folder, { ...options, pageSize: 1 }))
        throw identityLost(store.name, key)
    }
    const body = Buffer.from(`${JSON.stringify(wanted, null, 2)}\n`)
    await store.put(IDENTITY_KEY, body, { ...options, kind: 'identity', ifAbsent: true })
    // Another cluster may have claimed it at the same moment.
    found = await readIdentity(store, options)
    if (found === null) {
      throw operationFailed(
        { verb: 'put', key: IDENTITY_KEY, store: store.name },
        'it was stored and is not there',
        { code: 'STORE_CORRUPT', hint: 'check what else writes to or deletes from this place' },
      )
    }
  }
  if (found.systemIdentifier !== wanted.systemIdentifier)
    throw otherCluster(store.name, found.systemIdentifier, wanted.systemIdentifier)
  if (found.segmentSize !== wanted.segmentSize)
    throw otherSegmentSize(store.name, found.segmentSize, wanted.segmentSize)
  return found
}

function parseIdentity(body: Buffer, store: string): ArchiveIdentity {
  let value: Partial<ArchiveIdentity> | null
  try {
    value = JSON.parse(body.toString('utf8'))
  } catch {
    throw unreadableIdentity(store, 'it is not JSON')
  }
  const { systemIdentifier, segmentSize, layoutVersion } = value ?? {}
  if (layoutVersion !== 1)
    throw unreadableIdentity(
      store,
      `layout version ${JSON.stringify(layoutVersion)?.slice(0, 40)} is not known`,
    )
  if (typeof systemIdentifier !== 'string' || !/^[0-9]{1,20}$/.test(systemIdentifier))
    throw unreadableIdentity(store, 'it has no system identifier')
  if (typeof segmentSize !== 'number' || !isValidSegmentSize(segmentSize))
    throw unreadableIdentity(store, 'it has no valid segment size')
  return { systemIdentifier, segmentSize, layoutVersion }
}
