import type { S3ConditionalPut } from '../store-options.js'
import { isS3Failure, statusOf } from './s3-errors.js'

/** What a store made of a put with `If-None-Match: *`. */
export type ConditionalAnswer = 'created' | 'exists' | 'refused'

/**
 * Finds out once whether a store refuses to overwrite. One that does not know the header either says so
 * or, worse, overwrites silently; only a second put of the same key shows that.
 */
export class ConditionalPut {
  #found: boolean | null = null

  /** @param onAws for a setting of `auto`: AWS is known to do it */
  constructor(setting: S3ConditionalPut, onAws: boolean) {
    if (setting !== 'auto') this.#found = setting === 'on'
    else if (onAws) this.#found = true
  }

  /** As far as is known; true before the store was asked. */
  get works(): boolean {
    return this.#found ?? true
  }

  /**
   * Several callers may find out at the same time: each answer they can get is true for all.
   *
   * @param putOnce puts the same small object, under the same key, each time it is called
   */
  async isToBeHad(putOnce: () => Promise<ConditionalAnswer>): Promise<boolean> {
    if (this.#found !== null) return this.#found
    let answer = await putOnce()
    if (answer === 'created') answer = await putOnce()
    this.#found = answer === 'exists'
    return this.#found
  }
}

/** True when an error says that the object is there. */
export function saysExists(error: unknown): boolean {
  return statusOf(error) === 412
}

/** True when an error can mean that the store does not know the condition. */
export function mayRefuseCondition(error: unknown): boolean {
  if (!isS3Failure(error)) return false
  const names = ['InvalidArgument', 'InvalidRequest', 'NotImplemented']
  return statusOf(error) === 501 || (statusOf(error) === 400 && names.includes(error.name))
}
