let line = ''
let madeAt = Number.NEGATIVE_INFINITY

/** The Date field line for now, made once a second. */
export function dateLine(): string {
  const now = Date.now()
  if (Math.floor(now / 1_000) !== madeAt) {
    madeAt = Math.floor(now / 1_000)
    line = `Date: ${new Date(now).toUTCString()}\r\n`
  }
  return line
}
