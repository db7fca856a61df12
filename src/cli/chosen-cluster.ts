import { CommandLineError } from './command-line-error.js'
import type { ConfigSections } from './config-sections.js'
import { suggestion } from './suggestion.js'

/**
 * The cluster that --cluster means.
 *
 * @param wanted undefined where nothing was said: then the only one
 * @returns null for a file without `clusters:`
 * @throws CommandLineError when there is no such one, or several and none was named
 */
export function chosenCluster(sections: ConfigSections, wanted: string | undefined): string | null {
  const names = clusterNames(sections, wanted)
  if (names === null) return null
  if (names.length === 1) return names[0]!
  throw new CommandLineError(`configuration file "${sections.path}" names ${names.length} clusters`, {
    pointsAtHelp: false,
    hint: `choose by --cluster or WALSHIP_CLUSTER: ${names.join(', ')}`,
  })
}

/**
 * The clusters that are meant: the one named, else all.
 *
 * @returns null for a file without `clusters:`
 * @throws CommandLineError when there is no such one
 */
export function clusterNames(
  { path, clusters }: ConfigSections,
  wanted: string | undefined,
): string[] | null {
  const names = clusters === null ? null : [...clusters.keys()]
  if (wanted === undefined) return names
  if (names === null)
    throw new CommandLineError(`configuration file "${path}" has no clusters to choose from`, {
      pointsAtHelp: false,
      hint: 'write them under "clusters:", or leave --cluster away',
    })
  if (names.includes(wanted)) return [wanted]
  const meant = suggestion(wanted, names)
  throw new CommandLineError(`configuration file "${path}" names no cluster "${wanted}"`, {
    pointsAtHelp: false,
    hint: meant === undefined ? `use one of ${names.join(', ')}` : `did you mean "${meant}"?`,
  })
}
