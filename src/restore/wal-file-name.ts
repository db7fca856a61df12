/**
 * The names PostgreSQL asks a restore_command for.
 * PostgreSQL: src/include/access/xlog_internal.h (IsXLogFileName and relatives).
 */
export type WalFileName =
  /** A finished segment, or the open one. */
  | { readonly kind: 'segment'; readonly name: string; readonly timeline: number }
  /** The last segment of a timeline that was left; only people ask for it. */
  | { readonly kind: 'partial'; readonly name: string; readonly timeline: number }
  | { readonly kind: 'history'; readonly name: string; readonly timeline: number }
  /** The label of a base backup, which archive_command would have archived. A stream does not carry it. */
  | { readonly kind: 'backup'; readonly name: string; readonly timeline: number }

/**
 * Upper-case digits only: to PostgreSQL anything else is no WAL file.
 *
 * @returns null when the name is none of them
 */
export function parseWalFileName(name: string): WalFileName | null {
  const match = /^([0-9A-F]{8})(?:(\.history)|[0-9A-F]{16}(?:(\.partial)|(\.[0-9A-F]{8}\.backup))?)$/.exec(
    name,
  )
  const timeline = Number.parseInt(match?.[1] ?? '0', 16)
  if (match === null || timeline === 0) return null
  const [, , history, partial, backup] = match
  if (history !== undefined) return { kind: 'history', name, timeline }
  if (partial !== undefined) return { kind: 'partial', name, timeline }
  if (backup !== undefined) return { kind: 'backup', name, timeline }
  return { kind: 'segment', name, timeline }
}
