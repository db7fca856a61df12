import { basename } from 'node:path'
import { type FileSystem, nodeFileSystem, type OpenFile } from '../../src/base/index.js'

/** One call on a file or name, as it is about to happen. */
export interface FileCall {
  readonly kind: 'open' | 'write' | 'read' | 'truncate' | 'datasync' | 'sync' | 'close' | 'rename' | 'unlink'
  /** Name the file was opened under, or the old name of a rename. */
  readonly name: string
  readonly to?: string
  readonly position?: number
  readonly byteCount?: number
}

export type Reaction = undefined | string | number

/**
 * The real file system, with a log of what was done and a say before each call: a test answers
 * with nothing (go on), an errno name (fail so) or a number (write so many bytes only).
 */
export class ObservedFileSystem implements FileSystem {
  readonly log: string[] = []
  react: (call: FileCall) => Reaction | Promise<Reaction> = () => undefined

  async open(path: string, flags: number, mode?: number): Promise<OpenFile> {
    const name = basename(path)
    await this.check({ kind: 'open', name })
    return new ObservedFile(this, name, await nodeFileSystem.open(path, flags, mode))
  }

  async rename(from: string, to: string): Promise<void> {
    await this.check({ kind: 'rename', name: basename(from), to: basename(to) })
    await nodeFileSystem.rename(from, to)
    this.log.push(`rename ${basename(from)} ${basename(to)}`)
  }

  async unlink(path: string): Promise<void> {
    await this.check({ kind: 'unlink', name: basename(path) })
    await nodeFileSystem.unlink(path)
    this.log.push(`unlink ${basename(path)}`)
  }

  list(path: string): Promise<string[]> {
    return nodeFileSystem.list(path)
  }

  async check(call: FileCall): Promise<number | undefined> {
    const reaction = await this.react(call)
    if (typeof reaction !== 'string') return reaction
    this.log.push(`${reaction} ${call.kind} ${call.name}`)
    throw Object.assign(new Error(`${reaction}: ${call.kind} ${call.name}`), { code: reaction })
  }
}

class ObservedFile implements OpenFile {
  readonly #system: ObservedFileSystem
  readonly #name: string
  readonly #file: OpenFile

  constructor(system: ObservedFileSystem, name: string, file: OpenFile) {
    this.#system = system
    this.#name = name
    this.#file = file
  }

  async writev(buffers: readonly Uint8Array[], position: number): Promise<number> {
    const byteCount = buffers.reduce((sum, buffer) => sum + buffer.length, 0)
    const limit = await this.#system.check({ kind: 'write', name: this.#name, position, byteCount })
    if (limit === undefined || limit >= byteCount) {
      const written = await this.#file.writev(buffers, position)
      this.#system.log.push(`write ${this.#name}`)
      return written
    }
    if (limit === 0) return 0
    return this.#file.writev([Buffer.concat(buffers).subarray(0, limit)], position)
  }

  async read(buffer: Uint8Array, position: number): Promise<number> {
    await this.#system.check({ kind: 'read', name: this.#name, position })
    return this.#file.read(buffer, position)
  }

  size(): Promise<number> {
    return this.#file.size()
  }

  async truncate(size: number): Promise<void> {
    await this.#system.check({ kind: 'truncate', name: this.#name })
    return this.#file.truncate(size)
  }

  chmod(mode: number): Promise<void> {
    return this.#file.chmod(mode)
  }

  async datasync(): Promise<void> {
    await this.#system.check({ kind: 'datasync', name: this.#name })
    await this.#file.datasync()
    this.#system.log.push(`datasync ${this.#name}`)
  }

  async sync(): Promise<void> {
    await this.#system.check({ kind: 'sync', name: this.#name })
    await this.#file.sync()
    this.#system.log.push(`sync ${this.#name}`)
  }

  async close(): Promise<void> {
    await this.#file.close()
    this.#system.log.push(`close ${this.#name}`)
    await this.#system.check({ kind: 'close', name: this.#name })
  }
}
