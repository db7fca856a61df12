/** How a store is reached and what its objects get. The URL says which store it is. */
export interface StoreOptions {
  readonly s3?: S3Options
  /** Variables that may name a proxy, an endpoint or a CA file. Default: none. */
  readonly environment?: Readonly<Record<string, string | undefined>>
}

/** Encryption at rest: by keys of S3, of KMS, or a key of our own that S3 forgets after each request. */
export type S3Encryption =
  | { readonly kind: 's3' }
  | { readonly kind: 'kms'; readonly keyId?: string }
  | { readonly kind: 'customer'; readonly keyFile: string }

/**
 * Checksum the store checks a body against, next to the SHA-256 that is part of every signature.
 * `auto`: `sha256` on AWS, `none` at any other endpoint, where the newer headers can be unknown.
 */
export const S3_CHECKSUMS = ['auto', 'none', 'sha256', 'crc32', 'crc32c'] as const
export type S3Checksum = (typeof S3_CHECKSUMS)[number]

/** `auto`: `on` for AWS; at any other endpoint the store is asked once, with a small object of its own. */
export const S3_CONDITIONAL_PUTS = ['auto', 'on', 'off'] as const
export type S3ConditionalPut = (typeof S3_CONDITIONAL_PUTS)[number]

export const S3_OBJECT_LOCK_MODES = ['GOVERNANCE', 'COMPLIANCE'] as const
export type S3ObjectLockMode = (typeof S3_OBJECT_LOCK_MODES)[number]

export interface S3Options {
  /** URL of the service. Default: AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, else AWS itself. */
  readonly endpoint?: string
  /** Default: from the environment or the profile, `us-east-1` with an endpoint of its own. */
  readonly region?: string
  /** Section of the AWS configuration files. */
  readonly profile?: string
  /** Default: the SDK's chain of environment, profile, web identity, container and instance roles. */
  readonly credentials?: {
    readonly accessKeyId: string
    readonly secretAccessKey: string
    readonly sessionToken?: string
  }
  /** Bucket in the path instead of the host name. Default: true with an endpoint of its own. */
  readonly pathStyle?: boolean
  /** PEM file whose certificates are trusted in place of the public ones. Default: AWS_CA_BUNDLE. */
  readonly caFile?: string
  /** Default: as the bucket says. */
  readonly encryption?: S3Encryption
  /** Of finished segments. Default: STANDARD. */
  readonly storageClass?: string
  readonly tags?: Readonly<Record<string, string>>
  readonly objectLock?: { readonly mode: S3ObjectLockMode; readonly days: number }
  readonly checksum?: S3Checksum
  readonly conditionalPut?: S3ConditionalPut
  /** Until a connection is there. Default 5000. */
  readonly connectTimeoutMs?: number
  /** Without a byte in either direction. Default 30000. */
  readonly idleTimeoutMs?: number
  /** For one whole request, however busy; 0 is no limit. Default 300000. */
  readonly requestTimeoutMs?: number
  /** Tries of one request, the first included, before its failure is reported. Default 4. */
  readonly attempts?: number
}
