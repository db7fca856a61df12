import { createHash, createHmac, pbkdf2Sync } from 'node:crypto'
import { once } from 'node:events'
import net from 'node:net'
import { frame, parameterStatus, ready } from './backend-frames.js'

/** The server's end of one connection, read message by message. */
export class Peer {
  readonly socket: net.Socket
  #received = Buffer.alloc(0)
  #ended = false
  #wake: () => void = () => {}

  constructor(socket: net.Socket) {
    this.socket = socket
    socket.on('data', (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk])
      this.#wake()
    })
    // The client may be gone at any moment; that is often what is tested.
    socket.on('error', () => {})
    socket.on('close', () => {
      this.#ended = true
      this.#wake()
    })
  }

  send(...frames: Buffer[]): void {
    this.socket.write(Buffer.concat(frames))
  }

  /** The code of an untyped packet: SSLRequest, or a protocol version with its parameters. */
  async startup(): Promise<{ code: number; parameters: Record<string, string> }> {
    const header = await this.#take(4)
    const body = await this.#take(header.readInt32BE(0) - 4)
    const parts = body.subarray(4).toString().split('\0')
    const parameters: Record<string, string> = {}
    for (let index = 0; index + 1 < parts.length && parts[index] !== ''; index += 2)
      parameters[parts[index]!] = parts[index + 1]!
    return { code: body.readInt32BE(0), parameters }
  }

  /** The body of a typed message such as a password. */
  async message(): Promise<{ type: string; body: Buffer }> {
    const header = await this.#take(5)
    return { type: header.toString('latin1', 0, 1), body: await this.#take(header.readInt32BE(1) - 4) }
  }

  /** Resolves when the client has closed the connection. */
  async closed(): Promise<void> {
    while (!this.#ended) await this.#more()
  }

  async #take(byteCount: number): Promise<Buffer> {
    while (this.#received.length < byteCount) {
      if (this.#ended) throw new Error('the client closed the connection')
      await this.#more()
    }
    const taken = this.#received.subarray(0, byteCount)
    this.#received = this.#received.subarray(byteCount)
    return taken
  }

  #more(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }
}

/** A server on the loopback address that does to each connection what its script says. */
export class ScriptedServer implements AsyncDisposable {
  readonly #server: net.Server
  readonly #peers = new Set<Peer>()
  /** Failures of the scripts themselves: a test that ends well must leave none. */
  readonly problems: unknown[] = []
  connections = 0

  private constructor(script: (peer: Peer, connection: number) => Promise<void>) {
    this.#server = net.createServer((socket) => {
      const peer = new Peer(socket)
      this.#peers.add(peer)
      this.connections += 1
      script(peer, this.connections).catch((error) => this.problems.push(error))
    })
  }

  /** @param socketPath a Unix socket in place of a TCP port */
  static async start(
    script: (peer: Peer, connection: number) => Promise<void>,
    socketPath?: string,
  ): Promise<ScriptedServer> {
    const scripted = new ScriptedServer(script)
    if (socketPath === undefined) scripted.#server.listen(0, '127.0.0.1')
    else scripted.#server.listen(socketPath)
    await once(scripted.#server, 'listening')
    return scripted
  }

  get port(): number {
    return (this.#server.address() as net.AddressInfo).port
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const peer of this.#peers) peer.socket.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }
}

export function authentication(code: number, body: Buffer | string = ''): Buffer {
  const head = Buffer.alloc(4)
  head.writeInt32BE(code)
  return frame('R', Buffer.concat([head, Buffer.from(body as string)]))
}

export const authenticationOk = () => authentication(0)
export const sasl = (...mechanisms: string[]) =>
  authentication(10, [...mechanisms, '', ''].join('\0').slice(0, -1))

/** What a server sends once it is satisfied, up to ReadyForQuery. */
export function greeting(settings: Readonly<Record<string, string>> = {}): Buffer {
  const all = { server_version: '18.4', integer_datetimes: 'on', ...settings }
  const key = Buffer.alloc(8)
  key.writeInt32BE(4711, 0)
  return Buffer.concat([
    ...Object.entries(all).map(([name, value]) => parameterStatus(name, value)),
    frame('K', key),
    ready(),
  ])
}

/** Plays the server's side of SCRAM-SHA-256 after AuthenticationSASL was sent; returns the server's signature. */
export async function playScram(peer: Peer, password: string): Promise<string> {
  const initial = (await peer.message()).body.toString()
  const clientFirstBare = initial.slice(initial.indexOf('n=,r='))
  const nonce = `${clientFirstBare.slice('n=,r='.length)}server`
  const salt = Buffer.from('0123456789abcdef')
  const serverFirst = `r=${nonce},s=${salt.toString('base64')},i=4096`
  peer.send(authentication(11, serverFirst))
  const final = (await peer.message()).body.toString()
  const withoutProof = final.slice(0, final.indexOf(',p='))
  const salted = pbkdf2Sync(password, salt, 4096, 32, 'sha256')
  const hmac = (key: Buffer, text: string) => createHmac('sha256', key).update(text).digest()
  const message = `${clientFirstBare},${serverFirst},${withoutProof}`
  const clientKey = hmac(salted, 'Client Key')
  const mask = hmac(createHash('sha256').update(clientKey).digest(), message)
  const proof = Buffer.from(clientKey.map((byte, index) => byte ^ mask[index]!)).toString('base64')
  if (final !== `${withoutProof},p=${proof}`) throw new Error('the client sent a wrong proof')
  return hmac(hmac(salted, 'Server Key'), message).toString('base64')
}
