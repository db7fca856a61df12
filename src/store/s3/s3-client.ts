import { readFile } from 'node:fs/promises'
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3'
import { NodeHttpHandler } from '@smithy/node-http-handler'
import { errnoText } from '../../base/index.js'
import { StoreError } from '../errors.js'
import type { S3Options } from '../store-options.js'
import { openAgents } from './agents.js'
import { boundAnswers } from './bounded-answers.js'
import type { Environment } from './proxy-choice.js'

const DEFAULT_CONNECT_TIMEOUT_MS = 5_000
const DEFAULT_IDLE_TIMEOUT_MS = 30_000

/** With an endpoint of its own most services do not look at the region, but it is part of every signature. */
const REGION_ELSEWHERE = 'us-east-1'

const SILENT = { trace() {}, debug() {}, info() {}, warn() {}, error() {} }

export interface S3Connection {
  readonly client: S3Client
  /** URL, or undefined for AWS. */
  readonly endpoint: string | undefined
  close(): void
}

/** @throws StoreError `STORE_OPTION` when no region is known or the CA file cannot be read */
export async function openS3Connection(options: S3Options, environment: Environment): Promise<S3Connection> {
  const endpoint =
    options.endpoint ?? (environment.AWS_ENDPOINT_URL_S3 || environment.AWS_ENDPOINT_URL || undefined)
  if (endpoint !== undefined && !URL.canParse(endpoint)) {
    throw new StoreError('the endpoint is no URL', {
      code: 'STORE_OPTION',
      hint: 'give --s3-endpoint or AWS_ENDPOINT_URL a form such as https://s3.example.com:9000',
    })
  }
  const requestHandler = await openHandler(options, environment, endpoint)
  const config: S3ClientConfig = {
    endpoint,
    profile: options.profile,
    credentials: options.credentials,
    forcePathStyle: options.pathStyle ?? endpoint !== undefined,
    requestHandler,
    // One loop of our own tries again, because a body that breaks off is not the SDK's business any more.
    maxAttempts: 1,
    // The body's SHA-256 is computed once and given to each put; the content is checked after unpacking.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    // It costs a round trip, and in this SDK a new connection, for every segment.
    expectContinueHeader: false,
    logger: SILENT,
  }
  const client = await withRegion(config, options.region, endpoint)
  return {
    client,
    endpoint,
    close: () => {
      client.destroy()
      requestHandler.destroy()
    },
  }
}

async function withRegion(
  config: S3ClientConfig,
  region: string | undefined,
  endpoint: string | undefined,
): Promise<S3Client> {
  if (region !== undefined) return new S3Client({ ...config, region })
  const client = new S3Client(config)
  try {
    await client.config.region()
    return client
  } catch (error) {
    if (endpoint !== undefined) return new S3Client({ ...config, region: REGION_ELSEWHERE })
    throw new StoreError('the region of the bucket is not known', {
      code: 'STORE_OPTION',
      hint: 'give --s3-region, or set AWS_REGION',
      cause: error,
    })
  }
}

async function openHandler(
  options: S3Options,
  environment: Environment,
  endpoint: string | undefined,
): Promise<NodeHttpHandler> {
  const caFile = options.caFile ?? (environment.AWS_CA_BUNDLE || undefined)
  const ca = caFile === undefined ? undefined : await readCaFile(caFile)
  return boundAnswers(
    new NodeHttpHandler({
      ...(await openAgents(environment, ca, endpoint)),
      connectionTimeout: options.connectTimeoutMs ?? DEFAULT_CONNECT_TIMEOUT_MS,
      socketTimeout: options.idleTimeoutMs ?? DEFAULT_IDLE_TIMEOUT_MS,
      logger: SILENT,
    }),
  )
}

async function readCaFile(path: string): Promise<Buffer> {
  try {
    return await readFile(path)
  } catch (error) {
    throw new StoreError(`could not read CA file "${path}": ${errnoText(error)}`, {
      code: 'STORE_OPTION',
      hint: 'name a readable PEM file by --s3-ca-file',
      cause: error,
    })
  }
}
