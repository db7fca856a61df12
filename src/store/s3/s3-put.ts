import { PutObjectCommand, type PutObjectCommandInput, type S3Client } from '@aws-sdk/client-s3'
import type { StoreOperation } from '../errors.js'
import { type ConditionalAnswer, mayRefuseCondition, saysExists } from './conditional-put.js'
import { requestBody } from './request-body.js'
import { senselessAnswer } from './s3-errors.js'

export interface PutRequest {
  readonly client: S3Client
  readonly input: PutObjectCommandInput & { readonly Body: Buffer }
  /** Of the body; part of the signature, so the store checks the body against it. */
  readonly sha256: Buffer
  readonly operation: StoreOperation
  readonly abortSignal: AbortSignal
}

/** One put; a body that exists is replaced. */
export async function sendPut({ client, input, sha256, operation, abortSignal }: PutRequest): Promise<void> {
  // For these checksums the SDK reads the body first, and would send a stream in a form that not every store knows.
  const Body = input.ChecksumAlgorithm === undefined ? requestBody(input.Body) : input.Body
  const command = new PutObjectCommand({ ...input, Body })
  // Else the SDK hashes the whole body at once and holds up everything else on this thread.
  command.middlewareStack.add(
    (next) => (args) => {
      const request = args.request as { headers: Record<string, string> }
      request.headers['x-amz-content-sha256'] = sha256.toString('hex')
      return next(args)
    },
    { step: 'build', name: 'givePayloadHash' },
  )
  const answer = await client.send(command, { abortSignal })
  // An error document, or a proxy's page, can come with status 200; S3 itself always names an ETag.
  if (answer.ETag === undefined) throw senselessAnswer(operation, 'it names no ETag')
}

/** One put that must not replace anything. */
export async function sendConditionalPut(request: PutRequest): Promise<'created' | 'exists'> {
  try {
    await sendPut({ ...request, input: { ...request.input, IfNoneMatch: '*' } })
    return 'created'
  } catch (error) {
    if (saysExists(error)) return 'exists'
    throw error
  }
}

/** The same where it is not known whether the store knows the condition. */
export async function probeConditionalPut(request: PutRequest): Promise<ConditionalAnswer> {
  try {
    return await sendConditionalPut(request)
  } catch (error) {
    if (!mayRefuseCondition(error)) throw error
    // Only if it goes well without the condition was the condition the reason.
    await sendPut(request)
    return 'refused'
  }
}
