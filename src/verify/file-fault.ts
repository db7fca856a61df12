import { errnoOf, errnoText, WalshipError } from '../base/index.js'
import type { VerifyProblemKind } from './verify-problem.js'
import { UnreadableFile, type WalFile } from './wal-source.js'

/** What is wrong with a file before its pages are looked at. */
export interface FileFault {
  readonly kind: VerifyProblemKind
  readonly text: string
  readonly hint: string
}

/** Null: it is not there any more. */
export type WholeContent = Buffer | UnreadableFile | null

export function contentFault(file: WalFile, content: WholeContent, segmentSize: number): FileFault | null {
  if (content === null)
    return { kind: 'missing', text: 'it was removed meanwhile', hint: 'run the check again' }
  return content instanceof UnreadableFile
    ? unreadable(content)
    : lengthFault(file, content.length, segmentSize)
}

/** @param length bytes that it has */
export function lengthFault(file: WalFile, length: number, segmentSize: number): FileFault | null {
  const isRight = file.kind === 'segment' ? length === segmentSize : length <= segmentSize
  if (isRight) return null
  const text = `it has ${length} bytes in place of ${segmentSize}`
  return { kind: 'length', text, hint: 'compare it with another copy' }
}

export function unreadable({ message, hint }: UnreadableFile): FileFault {
  return { kind: 'unreadable', text: `it cannot be read: ${message}`, hint }
}

/** What is wrong with one file, or with the reading of all. */
export function readFailure(path: string, error: unknown): UnreadableFile | WalshipError {
  if (errnoOf(error) === 'EIO') return new UnreadableFile(errnoText(error), 'look at the disk', error)
  return new WalshipError(`could not read file "${path}": ${errnoText(error)}`, {
    code: 'VERIFY_READ',
    hint: 'check who may read it',
    cause: error,
  })
}
