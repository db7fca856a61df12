/** Cuts a list of buffers after `byteCount` bytes, without copying any. */
export function splitAt(buffers: readonly Buffer[], byteCount: number): [Buffer[], Buffer[]] {
  const before: Buffer[] = []
  let missing = byteCount
  let index = 0
  while (missing > 0) {
    const buffer = buffers[index]!
    if (buffer.length > missing) {
      before.push(buffer.subarray(0, missing))
      return [before, [buffer.subarray(missing), ...buffers.slice(index + 1)]]
    }
    before.push(buffer)
    missing -= buffer.length
    index++
  }
  return [before, buffers.slice(index)]
}
