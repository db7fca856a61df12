/** Builders for what a server sends. PostgreSQL chapter 54.7. */

export function frame(type: string, body: Buffer = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(5)
  header.write(type, 0, 'latin1')
  header.writeUInt32BE(body.length + 4, 1)
  return Buffer.concat([header, body])
}

const cstring = (text: string) => Buffer.from(`${text}\0`, 'utf8')

function int(size: 2 | 4, value: number): Buffer {
  const buffer = Buffer.alloc(size)
  buffer.writeIntBE(value, 0, size)
  return buffer
}

function int64(value: bigint): Buffer {
  const buffer = Buffer.alloc(8)
  buffer.writeBigUInt64BE(BigInt.asUintN(64, value))
  return buffer
}

export const copyBoth = () => frame('W', Buffer.from([0, 0, 0]))
export const copyDone = () => frame('c')
export const ready = () => frame('Z', Buffer.from('I'))
export const commandComplete = (tag: string) => frame('C', cstring(tag))
export const parameterStatus = (name: string, value: string) =>
  frame('S', Buffer.concat([cstring(name), cstring(value)]))

export function rowDescription(names: readonly string[]): Buffer {
  const fields = names.map((name) =>
    Buffer.concat([cstring(name), int(4, 0), int(2, 0), int(4, 25), int(2, -1), int(4, -1), int(2, 0)]),
  )
  return frame('T', Buffer.concat([int(2, names.length), ...fields]))
}

export function dataRow(values: readonly (string | Buffer | null)[]): Buffer {
  const fields = values.map((value) => {
    if (value === null) return int(4, -1)
    const bytes = Buffer.from(value as string)
    return Buffer.concat([int(4, bytes.length), bytes])
  })
  return frame('D', Buffer.concat([int(2, values.length), ...fields]))
}

export function errorResponse(fields: Readonly<Record<string, string>>): Buffer {
  const parts = Object.entries(fields).map(([code, text]) =>
    Buffer.concat([Buffer.from(code), cstring(text)]),
  )
  return frame('E', Buffer.concat([...parts, Buffer.from([0])]))
}

export function result(
  names: readonly string[],
  rows: readonly (readonly (string | Buffer | null)[])[],
): Buffer {
  return Buffer.concat([rowDescription(names), ...rows.map(dataRow), commandComplete('SELECT'), ready()])
}

export function xlogData(start: bigint, payload: Buffer, walEnd = start, sendTime = 0n): Buffer {
  return frame('d', Buffer.concat([Buffer.from('w'), int64(start), int64(walEnd), int64(sendTime), payload]))
}

export function keepalive(walEnd: bigint, replyRequested = false, sendTime = 0n): Buffer {
  return frame(
    'd',
    Buffer.concat([Buffer.from('k'), int64(walEnd), int64(sendTime), Buffer.from([replyRequested ? 1 : 0])]),
  )
}
