/** What a client of HTTP/2 sends first. RFC 9113 §3.4. */
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1')

/** Whether bytes begin a connection of HTTP/2; null = more of them are needed. */
export function isPreface(bytes: Buffer): boolean | null {
  const length = Math.min(bytes.length, PREFACE.length)
  if (bytes.compare(PREFACE, 0, length, 0, length) !== 0) return false
  return length === PREFACE.length ? true : null
}
