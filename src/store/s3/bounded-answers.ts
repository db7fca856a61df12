import { Transform } from 'node:stream'
import type { NodeHttpHandler } from '@smithy/node-http-handler'

/** Bytes. A list of a thousand keys takes half a megabyte, an error some hundred bytes. */
const MAX_DOCUMENT_BYTES = 16 * 1024 * 1024

/**
 * Bounds the documents that the SDK reads whole before anybody else sees them: lists, errors, answers to a put. What an
 * object holds is counted where it is read.
 */
export function boundAnswers(handler: NodeHttpHandler): NodeHttpHandler {
  const handle = handler.handle.bind(handler)
  handler.handle = async (request, options) => {
    const result = await handle(request, options)
    const { response } = result
    const isObject = request.method === 'GET' && !('list-type' in request.query) && response.statusCode < 300
    if (!isObject && response.body !== undefined && typeof response.body.pipe === 'function')
      response.body = bounded(response.body)
    return result
  }
  return handler
}

function bounded(body: NodeJS.ReadableStream & { destroy(): void }): Transform {
  let byteCount = 0
  const counted = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      byteCount += chunk.length
      if (byteCount <= MAX_DOCUMENT_BYTES) return done(null, chunk)
      body.destroy()
      done(new Error(`the answer is too long: more than ${MAX_DOCUMENT_BYTES} bytes`))
    },
  })
  body.on('error', (error) => counted.destroy(error))
  // A connection that breaks off ends the body without an end.
  body.on('close', () => {
    if (!counted.writableEnded) counted.destroy(new Error('aborted'))
  })
  return body.pipe(counted)
}
