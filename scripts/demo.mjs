/** `npm run demo`: installs and builds what is missing, then runs the demo; `--keep` keeps its folder. */
import { PROJECT, prepare, run } from './prepare.mjs'

await prepare()
const demo = `${PROJECT}scripts/demo.ts`
process.exitCode = await run(process.execPath, ['--import', 'tsx', demo, ...process.argv.slice(2)])
