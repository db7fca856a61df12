import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openStore } from '../../src/store/index.js'
import { describeObjectStore } from './object-store-contract.js'

describeObjectStore('memory', async () => {
  const store = await openStore('memory:')
  return { store, second: null, dispose: async () => {} }
})

describeObjectStore('file', async () => {
  const root = await mkdtemp(join(tmpdir(), 'walship-store-'))
  return {
    store: await openStore(`file://${root}`),
    second: await openStore(`file://${root}`),
    dispose: () => rm(root, { recursive: true, force: true }),
  }
})
