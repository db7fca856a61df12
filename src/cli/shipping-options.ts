import { CommandLineError } from './command-line-error.js'
import type { OptionValues } from './environment-values.js'
import { STORE_COMMAND_OPTIONS } from './fetch-store.js'
import type { WalshipOption } from './receive-options.js'

export const VERIFY_CHOICES = ['warn', 'stop', 'off'] as const
export type VerifyChoice = (typeof VERIFY_CHOICES)[number]

export const ACK_CHOICES = ['flushed', 'archived'] as const
export type AckChoice = (typeof ACK_CHOICES)[number]

/** Options of `walship receive` that have to do with an archive, or with what a daemon needs besides. */
export const SHIPPING_OPTIONS: readonly WalshipOption[] = [
  ...STORE_COMMAND_OPTIONS.map((option) =>
    option.name === 'store' ? { ...option, details: 'Without it nothing leaves the directory.' } : option,
  ),
  {
    name: 'ack',
    argument: 'WHEN',
    section: 'Options',
    description: 'when WAL counts as safe for the server',
    variable: 'WALSHIP_ACK',
    choices: ACK_CHOICES,
    defaultText: 'flushed',
    details:
      '`flushed`: forced to disk here. `archived`: in the archive, so that the directory may be lost; a commit that ' +
      'waits for walship then waits for the archive.',
  },
  {
    name: 'tail-interval',
    argument: 'SECS',
    section: 'Options',
    description: 'seconds between two uploads of what is new in the open segment',
    variable: 'WALSHIP_TAIL_INTERVAL',
    defaultText: '1',
    details: '0 uploads finished segments only. With `--ack archived` new bytes go up at once.',
  },
  {
    name: 'uploads',
    argument: 'COUNT',
    section: 'Options',
    description: 'finished segments to upload at once',
    variable: 'WALSHIP_UPLOADS',
    defaultText: '4',
    details: 'With several clusters 16 in all, each its equal share of them, up to 4.',
  },
  {
    name: 'keep-local',
    argument: 'COUNT|AGE',
    section: 'Options',
    description: 'remove local segments that are archived, but keep so many, or those younger than this',
    variable: 'WALSHIP_KEEP_LOCAL',
    details:
      'A number of segments, an age such as `90min`, `12h` or `7d`, or both with a comma; then a file leaves when ' +
      'both let it. By default all stay. A file leaves only after the archive was seen to have it.',
  },
  {
    name: 'allow-gap',
    section: 'Options',
    description: 'go on although WAL between the end of the archive and the start is lost',
    variable: 'WALSHIP_ALLOW_GAP',
    details: 'The gap is recorded in the archive. No recovery can cross it: take a new base backup.',
  },
  {
    name: 'ensure-slot',
    section: 'Options',
    description: 'make the slot, with WAL reserved, when it is missing',
    variable: 'WALSHIP_ENSURE_SLOT',
  },
  {
    name: 'follow-failover',
    section: 'Options',
    description: 'follow a new primary also where its history leaves out WAL that is kept here',
    variable: 'WALSHIP_FOLLOW_FAILOVER',
    details:
      'After a failover to a standby that had not received all. What it leaves out stays in directory and archive. ' +
      'Without this walship ends then, and says both positions: the server might be a copy that was restored to the past.',
  },
  {
    name: 'verify',
    argument: 'HOW',
    section: 'Options',
    description: 'check all WAL before it is written',
    variable: 'WALSHIP_VERIFY',
    choices: VERIFY_CHOICES,
    defaultText: 'warn',
    details:
      'WAL that is damaged is fetched again once. When the server itself holds it so, `warn` raises the alarm and goes ' +
      'on; `stop` ends, and never acknowledges what was not checked; `off` does not look.',
  },
  {
    name: 'min-free-space',
    argument: 'SIZE',
    section: 'Options',
    description: 'stop receiving while the directory has less free space',
    variable: 'WALSHIP_MIN_FREE_SPACE',
    defaultText: '0; with --store 256MB',
    details:
      'Bytes, or with `kB`, `MB`, `GB`. After a minute the connection is given up too, and the WAL left to the slot.',
  },
]

/** What the options say, checked. */
export interface ShippingSettings {
  readonly store: string | undefined
  readonly ack: AckChoice
  readonly tailIntervalMs: number
  readonly uploads: number
  readonly keepLocal: { readonly segments?: number; readonly ageMs?: number } | null
  readonly allowGap: boolean
  readonly ensureSlot: boolean
  readonly followFailover: boolean
  readonly minFreeBytes: number
  readonly verify: VerifyChoice
  /** All values, for the store's own options. */
  readonly values: OptionValues
}

/** Of one cluster, where nothing else is said. */
export const DEFAULT_UPLOADS = 4

const STORE_MIN_FREE_BYTES = 256 * 1024 * 1024

/** @throws CommandLineError for a value that makes no sense, or options that exclude each other */
export function shippingSettings(values: OptionValues): ShippingSettings {
  const store = text(values, 'store')
  const ack = text(values, 'ack') ?? 'flushed'
  if (!ACK_CHOICES.includes(ack as AckChoice))
    throw invalid('ack', ack, `use one of ${ACK_CHOICES.join(', ')}`)
  const needsStore = ['ack', 'tail-interval', 'uploads', 'keep-local', 'allow-gap'].find(
    (name) => values[name] !== undefined && values[name] !== false,
  )
  if (store === undefined && needsStore !== undefined)
    throw new CommandLineError(`--${needsStore} needs an archive to be named by --store`, {
      pointsAtHelp: true,
    })
  if (
    store !== undefined &&
    values.compress !== undefined &&
    !/^\s*(none|0)?\s*$/.test(String(values.compress))
  )
    throw new CommandLineError('cannot use --compress together with --store', {
      pointsAtHelp: false,
      hint: 'files in the archive are compressed by --store-compression; local ones must be read while they grow',
    })
  const verify = text(values, 'verify') ?? 'warn'
  if (!VERIFY_CHOICES.includes(verify as VerifyChoice))
    throw invalid('verify', verify, `use one of ${VERIFY_CHOICES.join(', ')}`)
  const free = text(values, 'min-free-space')
  return {
    store,
    ack: ack as AckChoice,
    tailIntervalMs: seconds(text(values, 'tail-interval') ?? '1'),
    uploads: count('uploads', text(values, 'uploads') ?? String(DEFAULT_UPLOADS), 1, 64),
    keepLocal: parseKeepLocal(text(values, 'keep-local')),
    allowGap: values['allow-gap'] === true,
    ensureSlot: values['ensure-slot'] === true,
    followFailover: values['follow-failover'] === true,
    minFreeBytes: free !== undefined ? parseSize(free) : store === undefined ? 0 : STORE_MIN_FREE_BYTES,
    verify: verify as VerifyChoice,
    values,
  }
}

function text(values: OptionValues, name: string): string | undefined {
  const value = values[name]
  return typeof value === 'string' ? value : undefined
}

function invalid(name: string, value: string, hint: string): CommandLineError {
  return new CommandLineError(`invalid value "${value}" for option --${name}`, { pointsAtHelp: false, hint })
}

function seconds(value: string): number {
  const number = Number(value)
  if (!/^\d+(\.\d+)?$/.test(value) || number > 86_400)
    throw invalid('tail-interval', value, 'use seconds from 0 to 86400')
  return Math.round(number * 1000)
}

function count(name: string, value: string, min: number, max: number): number {
  const number = Number(value)
  if (!/^\d+$/.test(value) || number < min || number > max)
    throw invalid(name, value, `use a whole number from ${min} to ${max}`)
  return number
}

const AGE_UNITS: Readonly<Record<string, number>> = { s: 1000, min: 60_000, h: 3_600_000, d: 86_400_000 }

function parseKeepLocal(value: string | undefined): ShippingSettings['keepLocal'] {
  if (value === undefined) return null
  const rules: { segments?: number; ageMs?: number } = {}
  for (const part of value.split(',')) {
    const [, digits, unit] = /^(\d{1,9})(s|min|h|d)?$/.exec(part.trim()) ?? []
    if (digits === undefined)
      throw invalid('keep-local', value, 'use a number of segments, an age such as 12h, or both')
    if (unit === undefined) rules.segments = Number(digits)
    else rules.ageMs = Number(digits) * AGE_UNITS[unit]!
  }
  return rules
}

const SIZE_UNITS: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1024,
  MB: 1024 ** 2,
  GB: 1024 ** 3,
  TB: 1024 ** 4,
}

function parseSize(value: string): number {
  const [, digits, unit] = /^(\d{1,12})(B|kB|MB|GB|TB)?$/.exec(value.trim()) ?? []
  if (digits === undefined)
    throw invalid('min-free-space', value, 'use a number of bytes, or one with kB, MB or GB')
  return Number(digits) * SIZE_UNITS[unit ?? 'B']!
}
