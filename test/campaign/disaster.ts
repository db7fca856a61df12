import type { Lab } from './lab.js'

/** Something that is done to a running receiver, in mid-load. */
export interface Disaster {
  /** For the table. */
  readonly what: string
  /** Needs the preloaded library. */
  readonly needsShim?: boolean
  /** Before the receiver is started for the first time. */
  prepare?(lab: Lab): void | Promise<void>
  strike(lab: Lab): Promise<void>
  /** Whatever happened. */
  clear?(lab: Lab): void | Promise<void>
}
