/**
 * The magic number of WAL pages says which major wrote them; the format may change with each.
 * PostgreSQL: src/include/access/xlog_internal.h (XLOG_PAGE_MAGIC) of the releases.
 */
const MAJOR_OF_MAGIC: Readonly<Record<number, number>> = {
  53399: 10,
  53400: 11,
  53505: 12,
  53510: 13,
  53517: 14,
  53520: 15,
  53523: 16,
  53526: 17,
  53528: 18,
}

/**
 * The server major that writes pages with this magic number.
 *
 * @returns null for one this version of walship does not know
 */
export function majorOfPageMagic(magic: number): number | null {
  return MAJOR_OF_MAGIC[magic] ?? null
}

/** The magic number of the pages that a server major writes; null for a major that is not known here. */
export function pageMagicOfMajor(major: number): number | null {
  const found = Object.entries(MAJOR_OF_MAGIC).find(([, each]) => each === major)
  return found === undefined ? null : Number(found[0])
}
