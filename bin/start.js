/**
 * Runs a program of the built package.
 *
 * @param {'walship' | 'pg_receivewal'} program
 */
export async function start(program) {
  let cli
  try {
    cli = await import('../dist/cli/index.js')
  } catch (error) {
    if (error?.code !== 'ERR_MODULE_NOT_FOUND') throw error
    process.stderr.write(
      `${program}: error: the program is not complete: ${error.message}\n` +
        `${program}: hint: In a checkout, run "npm install" and "npm run build" first.\n`,
    )
    process.exit(1)
  }
  await cli.main(program)
}
