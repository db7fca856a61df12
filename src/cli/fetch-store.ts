import { DEFAULT_STORE_COMPRESSION, parseStoreCompression, type StoreCompression } from '../codec/index.js'
import { openStore, parseStoreOptions, STORE_OPTION_TABLE, WalArchive } from '../store/index.js'
import { CommandLineError } from './command-line-error.js'
import type { OptionValues } from './environment-values.js'
import type { WalshipOption } from './receive-options.js'

/** Options that say where the archive is and how to get at it. */
export const STORE_COMMAND_OPTIONS: readonly WalshipOption[] = [
  {
    name: 'store',
    argument: 'URL',
    section: 'Options',
    description: 'where the archive is: s3://BUCKET/PREFIX or file:///DIRECTORY',
    variable: 'WALSHIP_STORE',
    details: 'Required.',
  },
  {
    name: 'store-compression',
    argument: 'METHOD[:LEVEL]',
    section: 'Options',
    description: 'compression of the archive, looked for first: lz4, zstd, gzip or none',
    variable: 'WALSHIP_STORE_COMPRESSION',
    defaultText: 'lz4',
    details: 'Files with another compression are found too, with one request more.',
  },
  ...STORE_OPTION_TABLE.map((option) => ({ ...option, section: 'Options' as const })),
]

/** An archive that was opened for one journey. */
export interface OpenedArchive extends AsyncDisposable {
  readonly archive: WalArchive
}

/**
 * Opens the archive that options name, for reading.
 *
 * @throws CommandLineError, WalshipError for an option that makes no sense
 * @throws StoreError when the store does not answer
 */
export async function openArchive(
  values: OptionValues,
  { environment }: { readonly environment: Readonly<Record<string, string | undefined>> },
): Promise<OpenedArchive> {
  const url = values.store
  if (typeof url !== 'string')
    throw new CommandLineError('no store specified', {
      pointsAtHelp: true,
      hint: 'name it by --store or by the environment variable WALSHIP_STORE',
    })
  const compression = storeCompression(values)
  const store = await openStore(url, parseStoreOptions(values, environment))
  try {
    const archive = await WalArchive.open(store, { compression, readOnly: true })
    return { archive, [Symbol.asyncDispose]: () => store.close() }
  } catch (error) {
    await store.close()
    throw error
  }
}

/** The compression that options name. @throws WalshipError for a method that makes no sense */
export function storeCompression({ 'store-compression': method }: OptionValues): StoreCompression {
  return typeof method === 'string' ? parseStoreCompression(method) : DEFAULT_STORE_COMPRESSION
}
