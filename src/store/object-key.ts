const PART = '[A-Za-z0-9_~-][A-Za-z0-9._~-]*'
const KEY = new RegExp(`^${PART}(/${PART})*$`)

/** S3 allows 1024 bytes for prefix and key together. */
const MAX_KEY_LENGTH = 512

/** False for a key that not every store can hold. */
export function isKey(key: string): boolean {
  return KEY.test(key) && key.length <= MAX_KEY_LENGTH
}

/** @throws TypeError for a key that not every store can hold */
export function checkKey(key: string): void {
  if (!isKey(key)) throw new TypeError(`invalid object key ${JSON.stringify(key)}`)
}

/** S3 allows 2 KB for all names and values, and adds none of its own to the count. */
const MAX_METADATA_BYTES = 2000

/** @throws TypeError for metadata that not every store gives back as it was */
export function checkMetadata(metadata: Readonly<Record<string, string>>): void {
  let size = 0
  for (const [name, value] of Object.entries(metadata)) {
    if (!/^[a-z0-9]+(-[a-z0-9]+)*$/.test(name))
      throw new TypeError(`invalid metadata name ${JSON.stringify(name)}`)
    // Blanks at the ends do not survive a header.
    if (!/^[\x20-\x7e]*$/.test(value) || value !== value.trim() || value === '')
      throw new TypeError(`invalid metadata value ${JSON.stringify(value)} of ${name}`)
    size += name.length + value.length
  }
  if (size > MAX_METADATA_BYTES)
    throw new TypeError(`${size} bytes of metadata are more than ${MAX_METADATA_BYTES}`)
}
