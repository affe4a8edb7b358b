/** Name of this proxy in Via. */
const PSEUDONYM = 'cutover'

/** Returns the hops of a Via field that this or another Cutover added. */
export function ownHops(via: string): string[] {
  const hops = via.split(',').map((hop) => hop.trim())
  return hops.filter((hop) => hop.endsWith(` ${PSEUDONYM}`))
}

/**
 * Returns the Via field for a server: `received` with this hop appended (RFC 9110 §7.6.3). From an untrusted client,
 * only hops of Cutover are kept, so that loops are still detected. `protocol`: the HTTP version of the request, such as
 * `1.1`.
 */
export function viaForServer(received: string, protocol: string, trusted: boolean): string {
  const hop = protocol === '1.1' ? OWN_HOP : `${protocol} ${PSEUDONYM}`
  if (received === '') return hop
  const before = trusted ? received : ownHops(received).join(', ')
  return before === '' ? hop : `${before}, ${hop}`
}

/** Via entry of this proxy for messages received over HTTP/1.1. */
export const OWN_HOP = `1.1 ${PSEUDONYM}`
