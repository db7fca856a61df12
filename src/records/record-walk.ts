import { fillCrc32cTables } from './crc32c-tables.js'
import { uint32 } from './page-check.js'
import { FIRST_CUSTOM_RESOURCE_MANAGER, isValidResourceManager } from './record-format.js'
import { RECORD_WALK_WASM } from './record-walk-wasm.js'

/** What of WebAssembly is used here; the types of Node.js leave it out. It is missing under `--jitless`. */
declare const WebAssembly:
  | undefined
  | {
      readonly Module: new (bytes: Uint8Array) => object
      readonly Instance: new (module: object) => { readonly exports: Exports }
    }

interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer }
  walkRecords(
    at: number,
    end: number,
    low: number,
    high: number,
    prevLow: number,
    prevHigh: number,
    customFrom: number,
  ): number
}

/** Places in the module's memory, as in record-walk.wat. */
const RESULTS = 16_384
const WINDOW = 65_536

interface Walker extends Exports {
  readonly window: Uint8Array
  readonly results: Int32Array
}

let walker: Walker | null | undefined

/** What was passed. */
export interface PassedRecords {
  count: number
  /** Index behind the last one, with its padding. */
  to: number
  /** Index of the last one. */
  last: number
}

/** One object for all answers: it is used before the next question. */
const passed: PassedRecords = { count: 0, to: 0, last: 0 }

/**
 * Passes records that are in order in all: complete with their padding, chained, of a known resource manager, with the
 * right checksum, and no segment switch. What it does not pass is not wrong, but out of the ordinary.
 *
 * It is done in WebAssembly (record-walk.wat), in one call for a page. Where that is not to be had nothing is passed, and
 * the scan is slower.
 *
 * @param from index of a record's first byte
 * @param end index behind the last byte that may be looked at; on the same page
 * @param high upper half of the positions
 * @param low lower half of the first record's position
 * @param before position of the record before it, and the magic of the page
 */
export function walkRecords(
  bytes: Uint8Array,
  from: number,
  end: number,
  high: number,
  low: number,
  before: { readonly lastHigh: number; readonly lastLow: number; readonly magic: number },
): PassedRecords {
  passed.count = 0
  passed.to = from
  if (walker === undefined) walker = makeWalker()
  const length = end - from
  // A record that goes on over the page's end, as most with an image of a page do, need not be copied.
  if (walker === null || length > walker.window.length || uint32(bytes, from) > length) return passed
  walker.window.set(bytes.subarray(from, end))
  const stop = walker.walkRecords(
    WINDOW,
    WINDOW + length,
    low - WINDOW,
    high,
    before.lastLow,
    before.lastHigh,
    isValidResourceManager(FIRST_CUSTOM_RESOURCE_MANAGER, before.magic) ? FIRST_CUSTOM_RESOURCE_MANAGER : 256,
  )
  passed.count = walker.results[0]!
  passed.to = from + stop - WINDOW
  passed.last = from + walker.results[1]! - WINDOW
  return passed
}

function makeWalker(): Walker | null {
  if (typeof WebAssembly === 'undefined') return null
  let exports: Exports
  try {
    const module = new WebAssembly.Module(Buffer.from(RECORD_WALK_WASM, 'base64'))
    exports = new WebAssembly.Instance(module).exports
  } catch {
    // It takes gigabytes of address space, which a limit may forbid.
    return null
  }
  const { buffer } = exports.memory
  fillCrc32cTables(Array.from({ length: 16 }, (_, k) => new Int32Array(buffer, k * 1024, 256)))
  const window = new Uint8Array(buffer, WINDOW)
  const results = new Int32Array(buffer, RESULTS, 2)
  return { ...exports, window, results }
}
