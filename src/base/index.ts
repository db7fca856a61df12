export { type Backoff, backoffDelayMs } from './backoff.js'
export { type DurableFileOptions, syncDirectory, writeFileDurably } from './durable-file.js'
export { errnoOf, errnoText, WalshipError, type WalshipErrorOptions } from './errors.js'
export {
  type FileSystem,
  nodeFileSystem,
  type OpenFile,
  WRITE_DURABLY_FLAG,
  writeFully,
} from './file-system.js'
export { sleep } from './sleep.js'
