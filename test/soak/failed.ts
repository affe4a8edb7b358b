import type { Cause } from './figures.ts'

/** Thrown by whatever finds that a request has failed. Anything else that is thrown is a fault of the script. */
export class Failed extends Error {
  override name = 'Failed'
  readonly why: Cause

  constructor(why: Cause, detail = '') {
    super(detail === '' ? why : `${why}: ${detail}`)
    this.why = why
  }

  /** The connection has not taken harm: it can take another request. */
  get wasAnswered(): boolean {
    return this.why.startsWith('status ')
  }
}
