import { constants } from 'node:fs'
import { errnoOf, type OpenFile, writeFully } from '../base/index.js'
import type { CompressionSpec } from '../codec/index.js'
import { CompressedSegmentFile, createCompressedFile } from './compressed-segment-file.js'
import { openError, sizeError, syncError, writeError } from './errors.js'
import { hiddenFileName, partialFileName } from './file-name.js'
import type { NextSegmentFile } from './next-segment-file.js'
import { OlderPartial } from './older-partial.js'
import {
  closeDescriptors,
  openDescriptors,
  type PlainDescriptors,
  PlainSegmentFile,
} from './plain-segment-file.js'
import type { SegmentFile, SegmentFileContext } from './segment-file.js'

/** A segment being written, and the names of its file. */
export interface OpenSegment {
  /** 24 digits */
  readonly segmentName: string
  readonly partialName: string
  readonly file: SegmentFile
  /** The name the file has now: `partialName`, or a hidden one. */
  visibleName: string
  /** Not under `partialName` yet, so that nothing in it may be acknowledged. */
  hidden: boolean
  /** The name `partialName` is sure to survive a crash. */
  nameDurable: boolean
  /** A compressed partial of an earlier run that has the name `partialName` until this file holds as much. */
  readonly older: OlderPartial | null
  /** Bytes taken so far. */
  filled: number
}

export interface OpenSegmentRequest {
  readonly context: SegmentFileContext
  readonly compression: CompressionSpec
  readonly segmentName: string
  /** The segment before is not complete under its final name yet, so a new file must be hidden. */
  readonly predecessorOpen: boolean
  /** A file made ready for this segment, if there is one. */
  readonly next: NextSegmentFile | null
}

/**
 * Opens the file for a segment's first byte.
 *
 * @throws WalFileError `WAL_FILE_OPEN_FAILED`, `WAL_FILE_SIZE_WRONG`, `WAL_FILE_WRITE_FAILED`
 */
export function openSegment(request: OpenSegmentRequest): Promise<OpenSegment> {
  return request.compression.algorithm === 'none' ? openPlain(request) : openCompressed(request)
}

async function openPlain(request: OpenSegmentRequest): Promise<OpenSegment> {
  const { context, segmentName, predecessorOpen } = request
  const partialName = partialFileName(segmentName, 'none')
  const found = await openExistingPlain(partialName, segmentName, context)
  if (found !== null) {
    await request.next?.discard()
    return describe(request, new PlainSegmentFile(found, segmentName, context), false, null)
  }
  const prepared = (await request.next?.take()) ?? null
  const hidden = prepared !== null || predecessorOpen
  const name = hidden ? hiddenFileName(segmentName) : partialName
  let descriptors = prepared
  if (descriptors === null) {
    const flags = constants.O_CREAT | (hidden ? constants.O_TRUNC : constants.O_EXCL)
    descriptors = await openDescriptors(`${context.directory}/${name}`, flags, context).catch((error) => {
      throw openError(partialName, false, error)
    })
    await makeFullSize(descriptors, segmentName, context)
    if (context.synchronous && context.durable && !predecessorOpen)
      await allocate(descriptors, segmentName, context)
  }
  return describe(request, new PlainSegmentFile(descriptors, segmentName, context), hidden, null)
}

/** How much of a stream's first file is allocated before its first byte; the files after it are made ready in the background. */
const ALLOCATED_AT_START = 16 * 1024 * 1024

/**
 * Fills the beginning of a new file with zeros, for commits that wait for each write: into a hole each
 * would wait for the file system's journal as well, which makes it half as fast.
 */
async function allocate(
  descriptors: PlainDescriptors,
  segmentName: string,
  context: SegmentFileContext,
): Promise<void> {
  const zeros = Buffer.alloc(1024 * 1024)
  const end = Math.min(context.segmentSize, ALLOCATED_AT_START)
  try {
    for (let offset = 0; offset < end; offset += zeros.length) {
      await writeFully(descriptors.file, [zeros], offset)
    }
  } catch (error) {
    await closeDescriptors(descriptors).catch(() => {})
    throw writeError(segmentName, zeros.length, error)
  }
  await descriptors.file.datasync().catch(async (error) => {
    await closeDescriptors(descriptors).catch(() => {})
    throw syncError(partialFileName(segmentName, 'none'), error)
  })
}

/**
 * Opens a partial that is there already, keeping what is in it: it is overwritten from its start with
 * the same bytes, and those after the last one received stay. A short one, as a full disk leaves
 * behind, is made full size; pg_receivewal refuses it until somebody deletes it.
 */
async function openExistingPlain(
  partialName: string,
  segmentName: string,
  context: SegmentFileContext,
): Promise<PlainDescriptors | null> {
  let descriptors: PlainDescriptors
  try {
    descriptors = await openDescriptors(`${context.directory}/${partialName}`, 0, context)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null
    throw openError(partialName, true, error)
  }
  let size: number
  try {
    size = await descriptors.file.size()
  } catch (error) {
    await closeDescriptors(descriptors).catch(() => {})
    throw openError(partialName, true, error)
  }
  if (size > context.segmentSize) {
    await closeDescriptors(descriptors).catch(() => {})
    throw sizeError(partialName, size, context.segmentSize)
  }
  if (size < context.segmentSize) await makeFullSize(descriptors, segmentName, context)
  return descriptors
}

async function makeFullSize(
  descriptors: PlainDescriptors,
  segmentName: string,
  context: SegmentFileContext,
): Promise<void> {
  try {
    await descriptors.file.truncate(context.segmentSize)
  } catch (error) {
    await closeDescriptors(descriptors).catch(() => {})
    throw writeError(segmentName, context.segmentSize, error)
  }
}

async function openCompressed(request: OpenSegmentRequest): Promise<OpenSegment> {
  const { context, compression, segmentName } = request
  const partialName = partialFileName(segmentName, compression.algorithm)
  const older = await OlderPartial.open(partialName, compression.algorithm, context)
  const hidden = older !== null || request.predecessorOpen
  const name = hidden ? hiddenFileName(segmentName) : partialName
  const flags = hidden ? constants.O_TRUNC : constants.O_EXCL
  let file: OpenFile
  try {
    file = await createCompressedFile(`${context.directory}/${name}`, flags, context)
  } catch (error) {
    await older?.close().catch(() => {})
    throw openError(partialName, false, error)
  }
  return describe(request, new CompressedSegmentFile(file, segmentName, compression, context), hidden, older)
}

function describe(
  request: OpenSegmentRequest,
  file: SegmentFile,
  hidden: boolean,
  older: OlderPartial | null,
): OpenSegment {
  const { segmentName, compression } = request
  const partialName = partialFileName(segmentName, compression.algorithm)
  return {
    segmentName,
    partialName,
    file,
    visibleName: hidden ? hiddenFileName(segmentName) : partialName,
    hidden,
    nameDurable: false,
    older,
    filled: 0,
  }
}
