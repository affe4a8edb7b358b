/** Why a request failed, as its client saw it. */
export type Cause =
  /** A whole answer with another status than the one asked for. */
  | `status ${number}`
  /** The connection ended in the middle of an answer, so that the client could tell. */
  | 'broken off'
  /** The answer ended as if it were whole, and was not. */
  | 'cut short'
  | 'closed unanswered'
  | 'not connected'
  | 'malformed'
  | 'wrong bytes'
  | 'wrong answer'
  | 'surplus bytes'
  | 'out of order'
  /** What was sent in pieces over seconds came all at once. */
  | 'held back'
  /** Not closed where it should have been. */
  | 'left open'
  | `closed with ${number}`
  | 'hang'

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
