/** What is left behind by a stream that broke: a receiver runs for months over thousands of them. */
import { getEventListeners } from 'node:events'
import { expect, it } from 'vitest'
import { NO_COMPRESSION } from '../../src/codec/index.js'
import { Receiver } from '../../src/receive/index.js'
import { SimulatedHistory } from '../campaign/simulated-history.js'
import { SimulatedPrimary } from '../campaign/simulated-primary.js'
import { temporaryDirectory } from '../segments/wal-directory-fixture.js'
import { randomNumbers } from '../support/random.js'

it('nothing stays on the signal that outlives the streams', async () => {
  await using primary = await SimulatedPrimary.start(new SimulatedHistory(1, 1), randomNumbers(1))
  primary.cutsLine = 0.3
  const stop = new AbortController()
  let reconnects = 0
  let listeners = 0
  const receiver = new Receiver({
    connection: primary.walsender.options,
    directory: temporaryDirectory(),
    slotName: 'campaign',
    synchronous: false,
    durable: false,
    statusIntervalMs: 10,
    compression: NO_COMPRESSION,
    retry: { initial: true, everything: false, delayMs: () => 0 },
    newestServerMajor: 18,
    onEvent: ({ kind }) => {
      if (kind !== 'retrying') return
      listeners = getEventListeners(stop.signal, 'abort').length
      if (++reconnects === 20) stop.abort()
    },
  })
  await receiver.run(stop.signal)
  expect(reconnects).toBe(20)
  expect(listeners).toBe(0)
})
