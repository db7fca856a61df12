/** `npm run soak -- [--minutes N] [--seed N]`: status 1 when a byte was lost or anything grows. */
import { parseArgs } from 'node:util'
import { soak } from './soak-run.js'

// What is at work ends with this process, and sees to it at its exit.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))

const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '60' }, seed: { type: 'string', default: '1' } },
})
const result = await soak(Number(values.minutes), Number(values.seed), (line) => console.log(line))
console.log(JSON.stringify(result, null, 2))
if (result.problems.length > 0) process.exitCode = 1
