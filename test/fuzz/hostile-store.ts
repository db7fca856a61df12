import type { ListedObject, ObjectInfo, ObjectStore, StoredObject } from '../../src/store/index.js'

/** A store that answers as a test says, whatever was put there. */
export class HostileStore implements ObjectStore {
  readonly name = 'hostile:'
  readonly features = { createOnly: true }
  readonly objects = new Map<string, { body: Buffer; metadata: Record<string, string> }>()
  /** What lists tell besides what is there. */
  listed: ListedObject[] = []

  async put(key: string, body: Buffer, options: { metadata?: Readonly<Record<string, string>> }) {
    if (this.objects.has(key)) return 'exists' as const
    this.objects.set(key, { body: Buffer.from(body), metadata: { ...options.metadata } })
    return 'created' as const
  }

  async get(key: string): Promise<StoredObject | null> {
    const info = await this.head(key)
    return info === null ? null : { info, body: Buffer.from(this.objects.get(key)!.body) }
  }

  async head(key: string): Promise<ObjectInfo | null> {
    const object = this.objects.get(key)
    return object === undefined ? null : { key, size: object.body.length, metadata: object.metadata }
  }

  async *list(prefix: string, { after = '' }: { after?: string } = {}): AsyncGenerator<ListedObject> {
    const there = [...this.objects].map(([key, { body }]) => ({ key, size: body.length }))
    const all = [...there, ...this.listed].filter(({ key }) => key.startsWith(prefix) && key > after)
    yield* all.sort((a, b) => (a.key < b.key ? -1 : 1))
  }

  async delete(keys: readonly string[]): Promise<void> {
    for (const key of keys) this.objects.delete(key)
  }

  async lockOf(): Promise<null> {
    return null
  }

  async settle(): Promise<void> {}

  async close(): Promise<void> {}
}
