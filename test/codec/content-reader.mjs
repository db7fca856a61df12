/** A reader that counts bytes, or misbehaves as it is told. Plain JavaScript, because another thread loads it. */
export function openReader(behaviour) {
  if (behaviour === 'does not open') throw new Error('it does not open')
  let count = 0
  return {
    take(bytes) {
      count += bytes.length
      if (behaviour === 'ends the thread' && count > 500_000) process.exit(7)
      if (behaviour === 'fails at once' || (behaviour === 'fails later' && count > 2_000_000))
        throw new Error('it fails')
    },
    end(sha256) {
      if (behaviour === 'fails at the end') throw new Error('it fails')
      return behaviour === 'counts' ? Buffer.from(`${count} bytes of ${sha256}`) : null
    },
  }
}
