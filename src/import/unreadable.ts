import type { Place } from './report.ts'

/** A file that cannot be read, or is no configuration of that kind; the message has file and line. */
export class Unreadable extends Error {
  override name = 'Unreadable'

  constructor(place: Place | string, message: string) {
    super(`${typeof place === 'string' ? place : `${place.file}:${place.line}`}: ${message}`)
  }
}
