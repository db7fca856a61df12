const POLYNOMIAL = 0x82f63b78

/**
 * Makes tables for CRC-32C by several bytes in one step: table `k` has the effect of a byte that is followed by `k` more.
 *
 * @param tables 256 words each, to be written to
 */
export function fillCrc32cTables(tables: readonly Int32Array[]): void {
  const first = tables[0]!
  for (let byte = 0; byte < 256; byte++) {
    let value = byte
    for (let bit = 0; bit < 8; bit++) value = (value & 1) === 1 ? (value >>> 1) ^ POLYNOMIAL : value >>> 1
    first[byte] = value
  }
  for (let k = 1; k < tables.length; k++) {
    for (let byte = 0; byte < 256; byte++) {
      const shorter = tables[k - 1]![byte]!
      tables[k]![byte] = (shorter >>> 8) ^ first[shorter & 255]!
    }
  }
}
