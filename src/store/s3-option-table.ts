import { S3_CHECKSUMS, S3_CONDITIONAL_PUTS, S3_OBJECT_LOCK_MODES } from './store-options.js'

/** One option as a program offers it: `--name ARGUMENT`, or the variable. */
export interface StoreOptionDeclaration {
  /** Long name, without dashes. */
  readonly name: string
  /** What stands for the value in help texts. */
  readonly argument: string
  /** One line of help. */
  readonly description: string
  readonly variable: string
  readonly defaultText?: string
  readonly choices?: readonly string[]
  /** Further text for documents. */
  readonly details?: string
}

export const SSE_CHOICES = ['AES256', 'aws:kms', 'customer'] as const

/** Everything about S3 that the URL does not say. Help texts, checks and docs read this table. */
export const S3_OPTION_TABLE = [
  {
    name: 's3-endpoint',
    argument: 'URL',
    description: 'service that speaks S3, where it is not AWS',
    variable: 'WALSHIP_S3_ENDPOINT',
    details: 'Without it AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL count.',
  },
  {
    name: 's3-region',
    argument: 'REGION',
    description: 'region of the bucket',
    variable: 'WALSHIP_S3_REGION',
    details: "Without it the AWS environment's or profile's; with an endpoint of its own then `us-east-1`.",
  },
  {
    name: 's3-profile',
    argument: 'NAME',
    description: 'section of the AWS configuration files to use',
    variable: 'WALSHIP_S3_PROFILE',
  },
  {
    name: 's3-path-style',
    argument: 'on|off',
    description: 'bucket in the path and not in the host name',
    variable: 'WALSHIP_S3_PATH_STYLE',
    choices: ['on', 'off'],
    details: 'By default `on` with an endpoint of its own and `off` for AWS.',
  },
  {
    name: 's3-ca-file',
    argument: 'FILE',
    description: 'certificates (PEM) to trust in place of the public ones',
    variable: 'WALSHIP_S3_CA_FILE',
    details: 'Without it AWS_CA_BUNDLE counts.',
  },
  {
    name: 's3-sse',
    argument: 'METHOD',
    description: 'encryption at rest',
    variable: 'WALSHIP_S3_SSE',
    choices: SSE_CHOICES,
    details: 'By default as the bucket is set up. `customer` needs --s3-sse-c-key-file.',
  },
  {
    name: 's3-sse-kms-key-id',
    argument: 'KEY',
    description: 'KMS key for --s3-sse aws:kms',
    variable: 'WALSHIP_S3_SSE_KMS_KEY_ID',
    details: "By default the account's key for S3.",
  },
  {
    name: 's3-sse-c-key-file',
    argument: 'FILE',
    description: 'key for --s3-sse customer: 32 bytes, or their base64',
    variable: 'WALSHIP_S3_SSE_C_KEY_FILE',
    details: 'Needed for reading too: without this file the archive is lost.',
  },
  {
    name: 's3-storage-class',
    argument: 'CLASS',
    description: 'storage class of finished segments',
    variable: 'WALSHIP_S3_STORAGE_CLASS',
    defaultText: 'STANDARD',
    details:
      'Everything else stays in the standard class. A class that must be thawed first cannot be restored from.',
  },
  {
    name: 's3-tags',
    argument: 'KEY=VALUE[&...]',
    description: 'tags of segments, history files and gap records',
    variable: 'WALSHIP_S3_TAGS',
    details: 'Percent-encoded like a query string, at most ten.',
  },
  {
    name: 's3-object-lock-mode',
    argument: 'MODE',
    description: 'object lock of everything but the open tail',
    variable: 'WALSHIP_S3_OBJECT_LOCK_MODE',
    choices: S3_OBJECT_LOCK_MODES,
  },
  {
    name: 's3-object-lock-days',
    argument: 'DAYS',
    description: 'how long an object stays locked',
    variable: 'WALSHIP_S3_OBJECT_LOCK_DAYS',
  },
  {
    name: 's3-checksum',
    argument: 'METHOD',
    description: 'checksum header that the store checks',
    variable: 'WALSHIP_S3_CHECKSUM',
    defaultText: 'auto',
    choices: S3_CHECKSUMS,
    details:
      'By default `sha256` on AWS and `none` elsewhere. Every body is covered by the signature as well, ' +
      'and every object carries the SHA-256 of its content.',
  },
  {
    name: 's3-conditional-put',
    argument: 'auto|on|off',
    description: 'let the store refuse to overwrite (If-None-Match)',
    variable: 'WALSHIP_S3_CONDITIONAL_PUT',
    defaultText: 'auto',
    choices: S3_CONDITIONAL_PUTS,
    details: 'By default `on` for AWS; elsewhere the store is tried out once per run.',
  },
  {
    name: 's3-connect-timeout',
    argument: 'SECS',
    description: 'seconds until a connection must be there',
    variable: 'WALSHIP_S3_CONNECT_TIMEOUT',
    defaultText: '5',
  },
  {
    name: 's3-idle-timeout',
    argument: 'SECS',
    description: 'seconds a request may stand still',
    variable: 'WALSHIP_S3_IDLE_TIMEOUT',
    defaultText: '30',
  },
  {
    name: 's3-request-timeout',
    argument: 'SECS',
    description: 'seconds one request may take in all',
    variable: 'WALSHIP_S3_REQUEST_TIMEOUT',
    defaultText: '300',
    details: '0 is no limit.',
  },
  {
    name: 's3-attempts',
    argument: 'N',
    description: 'tries of one request before its failure is reported',
    variable: 'WALSHIP_S3_ATTEMPTS',
    defaultText: '4',
    details: 'Whole uploads are tried again for ever all the same.',
  },
] as const satisfies readonly StoreOptionDeclaration[]

export type S3OptionName = (typeof S3_OPTION_TABLE)[number]['name']

/** All options of stores, for programs to offer. */
export const STORE_OPTION_TABLE: readonly StoreOptionDeclaration[] = S3_OPTION_TABLE
