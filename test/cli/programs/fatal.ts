/** Fails in a way that nothing catches. */
import { closeFatalDoor } from '../../../src/cli/fatal-door.js'

closeFatalDoor((error) => process.stderr.write(`caught: ${(error as Error).message}`))
// Without the door this timer would keep a half-dead program alive.
setInterval(() => {}, 1000)
if (process.env.FATAL_KIND === 'exception') setImmediate(() => fail())
else Promise.resolve().then(fail)

function fail(): never {
  throw new Error('nobody expected this')
}
