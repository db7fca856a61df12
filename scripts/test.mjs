/** `npm test`: installs and builds what is missing, then runs the tests; arguments go to vitest. */
import { join } from 'node:path'
import { PROJECT, prepare, run } from './prepare.mjs'

await prepare()
const vitest = join(PROJECT, 'node_modules', 'vitest', 'vitest.mjs')
process.exitCode = await run(process.execPath, [vitest, 'run', ...process.argv.slice(2)])
