/** Arguments, or a file, that a command cannot work with; the message says what to do. */
export class Unusable extends Error {
  override name = 'Unusable'
}

/** A command that cannot do what it was asked for; the message says why, and what to do. */
export class CannotDo extends Error {
  override name = 'CannotDo'
}
