import { readFileSync, realpathSync } from 'node:fs'
import { basename, delimiter, join } from 'node:path'

/**
 * argv[0] as the user typed it. A script never sees it: node gets the path that the kernel
 * found. So: the path as node was given it, cut to the bare name where a search of PATH leads
 * to the same file, because then the bare name is what was most likely typed.
 *
 * @param scriptPath process.argv[1], which node has made absolute
 * @param argumentCount how many arguments follow the script's path
 */
export function invokedName(
  scriptPath: string,
  argumentCount: number,
  environment: Readonly<Record<string, string | undefined>>,
): string {
  const given = scriptPathAsGiven(argumentCount)
  const name = given !== undefined && basename(given) === basename(scriptPath) ? given : scriptPath
  return name.includes('/') && isOnPath(name, environment) ? basename(name) : name
}

/** Linux keeps the whole command line; the script stands right before its arguments. */
function scriptPathAsGiven(argumentCount: number): string | undefined {
  try {
    const words = readFileSync('/proc/self/cmdline', 'utf8').split('\0').slice(0, -1)
    return words[words.length - argumentCount - 1]
  } catch {
    return undefined
  }
}

function isOnPath(path: string, environment: Readonly<Record<string, string | undefined>>): boolean {
  for (const directory of (environment.PATH ?? '').split(delimiter)) {
    if (directory === '') continue
    const candidate = join(directory, basename(path))
    if (candidate === path) return true
    // The first file of that name is what a shell runs, whatever else is on PATH.
    try {
      realpathSync(candidate)
      return false
    } catch {
      // not in this directory
    }
  }
  return false
}
