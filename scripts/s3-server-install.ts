/** `node --import tsx scripts/s3-server-install.ts`: gets the S3 server of the tests ready; 1 when it cannot. */
import { ensureS3ServerBinary } from './s3-server-binary.js'

const binary = await ensureS3ServerBinary()
if ('path' in binary) {
  process.stdout.write(`S3 server for tests: ${binary.path}\n`)
} else {
  process.stderr.write(`!! NO S3 SERVER: ${binary.missing}\n`)
  process.exitCode = 1
}
