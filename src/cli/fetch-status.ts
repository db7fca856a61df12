/**
 * The exit status of `walship fetch`. PostgreSQL takes each one from 1 to 125 for "the archive ends here" and
 * ends recovery; only from 126 on does it stop instead. 126 and 127 are a shell's own, and those from 129
 * to 192 look like deaths by a signal.
 */
export const FETCH_STATUS = { restored: 0, open: 0, missing: 1, cannotTell: 200 } as const
