/** A place where a call can be held up: `reached` says that it is there, `open` lets it go on. */
export class Gate {
  readonly reached: Promise<void>
  readonly #opened: Promise<undefined>
  #arrive!: () => void
  open!: () => void

  constructor() {
    this.reached = new Promise((resolve) => {
      this.#arrive = resolve
    })
    this.#opened = new Promise((resolve) => {
      this.open = () => resolve(undefined)
    })
  }

  pass(): Promise<undefined> {
    this.#arrive()
    return this.#opened
  }
}
