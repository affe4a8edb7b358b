import type { Place } from './report.ts'

/** A file that cannot be read, or is no configuration of that kind; the message has file and line. */
export class Unreadable extends Error {
  override name = 'Unreadable'

  constructor(place: Place | string, message: string) {
    super(`${placeOf(place)}: ${message}`)
  }
}

function placeOf(place: Place | string): string {
  const name = (file: string) => (file === '-' ? 'standard input' : file)
  return typeof place === 'string' ? name(place) : `${name(place.file)}:${place.line}`
}
