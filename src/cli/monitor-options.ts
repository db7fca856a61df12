import { CONFIG_OPTIONS } from './config-file.js'
import { RECEIVE_OPTIONS, type WalshipOption } from './receive-options.js'

/** What `walship status` and `walship slot list` take. */
export const MONITOR_OPTIONS: readonly WalshipOption[] = [
  {
    name: 'json',
    section: 'Options',
    description: 'print JSON in place of tables',
    details: 'With `--watch` one object or array a line.',
  },
  {
    name: 'watch',
    section: 'Options',
    description: 'print it again and again, until interrupted',
  },
  {
    name: 'interval',
    argument: 'SECS',
    section: 'Options',
    description: 'seconds between two rounds of --watch',
    defaultText: '2',
  },
  ...RECEIVE_OPTIONS.filter((option) => option.section === 'Connection options').map((option) =>
    option.name === 'dbname'
      ? { ...option, details: 'The database in it, else `PGDATABASE`, else `postgres` is connected to.' }
      : option,
  ),
  ...CONFIG_OPTIONS,
]
