/** What a running receiver tells over HTTP. */
import type { StatusSnapshot } from '../../src/status/index.js'
import type { ReceiverProcess } from './receiver-process.js'

/** The address of the window, which is any free port. */
export async function urlOf(receiver: ReceiverProcess): Promise<string> {
  await receiver.said(/"event":"http_listening"/)
  return /"url":"([^"]+)"/.exec(receiver.stderr)![1]!
}

export async function metrics(url: string): Promise<Map<string, number>> {
  const text = await (await fetch(`${url}metrics`)).text()
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.split(' ').at(-1))]))
}

export async function snapshotOf(url: string): Promise<StatusSnapshot> {
  return (await (await fetch(`${url}status.json`)).json()) as StatusSnapshot
}
