import { parseStoreOptions } from '../store/index.js'
import { CommandLineError } from './command-line-error.js'
import type { OptionValues } from './environment-values.js'
import { storeCompression } from './fetch-store.js'
import { checkCombination } from './option-checks.js'
import type { ClusterLayers } from './option-layers.js'
import { RECEIVE_OPTIONS, type ReceiveOptionValues } from './receive-options.js'
import { checkCompression } from './receive-settings.js'
import { DEFAULT_UPLOADS, type ShippingSettings, shippingSettings } from './shipping-options.js'
import { type StatusSettings, statusSettings } from './status-options.js'

/** What `walship receive` is to do for one cluster. */
export interface ClusterCommand {
  /** In the configuration file; null for the one cluster of a command line. */
  readonly name: string | null
  readonly values: ReceiveOptionValues
  readonly shipping: ShippingSettings
  readonly status: StatusSettings
}

/**
 * Uploads at once of all clusters together, unless their --uploads say something else. Each upload holds a packed
 * segment in memory. Shares are fixed, so that a store that hangs holds up nobody but its own cluster.
 */
const UPLOADS_OF_ALL = 16

/** @throws CommandLineError */
export function soleCluster(values: OptionValues): ClusterCommand {
  return {
    name: null,
    values: receiveValues(values),
    shipping: shippingSettings(values),
    status: statusSettings(values),
  }
}

/** @throws CommandLineError, with the cluster's name and the place of the option */
export function namedClusters(layers: readonly ClusterLayers[]): ClusterCommand[] {
  const share = Math.max(1, Math.min(DEFAULT_UPLOADS, Math.floor(UPLOADS_OF_ALL / layers.length)))
  return layers.map(({ name, all, explain }) => {
    try {
      if (all.password)
        throw new CommandLineError('--password asks a person, and there are clusters to receive from', {
          pointsAtHelp: false,
          hint: 'name a password file by passfile=FILE in the connection string',
        })
      const uploads = all.store === undefined ? all.uploads : (all.uploads ?? String(share))
      const command = { ...soleCluster({ ...all, uploads, 'no-password': true }), name }
      checkCompression(command.values.compress ?? 'none')
      parseStoreOptions(all, {})
      storeCompression(all)
      return command
    } catch (error) {
      throw explain(error)
    }
  })
}

/** Those of pg_receivewal's options, checked. @throws CommandLineError */
export function receiveValues(values: OptionValues): ReceiveOptionValues {
  const receiving = new Set<string>(RECEIVE_OPTIONS.map(({ name }) => name))
  const own = Object.fromEntries(Object.entries(values).filter(([name]) => receiving.has(name)))
  checkCombination(own)
  return own
}
