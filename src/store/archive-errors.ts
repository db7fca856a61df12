import { WalshipError } from '../base/index.js'

/**
 * - `ARCHIVE_OTHER_CLUSTER` the archive, or an object in it, belongs to another cluster
 * - `ARCHIVE_CONFLICT` the name is taken by other content
 * - `ARCHIVE_NO_IDENTITY` there is no `cluster.json`
 * - `ARCHIVE_LAYOUT` `cluster.json` cannot be read, or is of a newer walship
 * - `ARCHIVE_WRONG_CONTENT` what is to be stored cannot be what its name says
 * - `ARCHIVE_TAIL_PART_GONE` a tail part was removed meanwhile; retryable
 */
export type ArchiveErrorCode =
  | 'ARCHIVE_OTHER_CLUSTER'
  | 'ARCHIVE_CONFLICT'
  | 'ARCHIVE_NO_IDENTITY'
  | 'ARCHIVE_LAYOUT'
  | 'ARCHIVE_WRONG_CONTENT'
  | 'ARCHIVE_TAIL_PART_GONE'

/** The store works; what is in the archive, or was to go there, is not as it has to be. */
export class WalArchiveError extends WalshipError {
  declare readonly code: ArchiveErrorCode
}

export function noIdentity(store: string): WalArchiveError {
  return new WalArchiveError(`there is no walship archive in ${store}: it has no cluster.json`, {
    code: 'ARCHIVE_NO_IDENTITY',
    hint: 'check the URL of the store; a new archive is made by walship receive',
  })
}

/** WAL without the object that says whose it is: adopting it could mix two clusters. */
export function identityLost(store: string, key: string): WalArchiveError {
  return new WalArchiveError(`${store} holds WAL, such as "${key}", but no cluster.json`, {
    code: 'ARCHIVE_NO_IDENTITY',
    hint: 'bring cluster.json back, or use a prefix of its own for this cluster',
  })
}

export function unreadableIdentity(store: string, reason: string): WalArchiveError {
  return new WalArchiveError(`cluster.json in ${store} cannot be used: ${reason}`, {
    code: 'ARCHIVE_LAYOUT',
    hint: 'it may come from a newer walship; do not change it by hand',
  })
}

export function otherCluster(what: string, theirs: string, ours: string): WalArchiveError {
  return new WalArchiveError(`${what} belongs to another cluster: system identifier ${theirs}, not ${ours}`, {
    code: 'ARCHIVE_OTHER_CLUSTER',
    hint: 'give each cluster a prefix of its own; after pg_upgrade or a new initdb it is another cluster',
    context: { theirs, ours },
  })
}

export function otherSegmentSize(store: string, theirs: number, ours: number): WalArchiveError {
  return new WalArchiveError(`${store} is for WAL segments of ${theirs} bytes, not ${ours}`, {
    code: 'ARCHIVE_OTHER_CLUSTER',
    hint: 'give each cluster a prefix of its own',
    context: { theirs, ours },
  })
}

export function wrongContent(name: string, reason: string): WalArchiveError {
  return new WalArchiveError(`"${name}" is not archived: ${reason}`, {
    code: 'ARCHIVE_WRONG_CONTENT',
    hint: 'find out where the file comes from; it must not be in this directory',
  })
}

/** One of the two sides of a conflict. */
export interface ContentFacts {
  readonly sha256: string
  /** bytes */
  readonly rawLength: number
}

export function conflict(
  key: string,
  store: string,
  ours: ContentFacts,
  theirs: ContentFacts,
): WalArchiveError {
  const show = ({ sha256, rawLength }: ContentFacts) =>
    `${rawLength} bytes with SHA-256 ${sha256.slice(0, 16)}...`
  return new WalArchiveError(
    `"${key}" in ${store} has other content: there ${show(theirs)}, here ${show(ours)}`,
    {
      code: 'ARCHIVE_CONFLICT',
      hint:
        'nothing was overwritten; two servers may be writing the same timeline (split brain), or two clusters ' +
        'share the prefix: find out which content is right, and give the other side a prefix of its own',
      context: { key, store, ours, theirs },
    },
  )
}

export function tailPartGone(key: string, store: string): WalArchiveError {
  return new WalArchiveError(`tail part "${key}" is not in ${store} any more`, {
    code: 'ARCHIVE_TAIL_PART_GONE',
    hint: 'list the parts again: they were merged, or the segment is finished',
    retryable: true,
  })
}
