import { AsyncLocalStorage } from 'node:async_hooks'

/** Whoever answers for what fails in a part of the program. */
interface FailureOwner {
  fail(error: unknown): void
}

const owners = new AsyncLocalStorage<FailureOwner>()

/**
 * Runs a job that answers for itself: what fails in it, or in anything that it begins, and is caught by nobody, goes
 * to `fail` in place of ending the process.
 *
 * @param fail may be called more than once
 */
export function runOwned<T>(fail: (error: unknown) => void, job: () => Promise<T>): Promise<T> {
  return owners.run({ fail }, job)
}

/**
 * To be called where an error arrives that nobody has caught.
 *
 * @returns false when it is nobody's
 */
export function giveToOwner(error: unknown): boolean {
  const owner = owners.getStore()
  owner?.fail(error)
  return owner !== undefined
}
