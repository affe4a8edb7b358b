/** How this proxy calls itself in Via. */
const PSEUDONYM = 'cutover'

/** The hops of a Via field that this proxy has added, or another Cutover. */
export function ownHops(via: string): string[] {
  const hops = via.split(',').map((hop) => hop.trim())
  return hops.filter((hop) => hop.endsWith(` ${PSEUDONYM}`))
}

/**
 * The Via field for a server: `received` with this hop appended (RFC 9110 §7.6.3). Of what an untrusted client sent, only
 * our own hops are kept, so that a loop is still noticed. `protocol`: the HTTP version of the request, such as `1.1`.
 */
export function viaForServer(received: string, protocol: string, trusted: boolean): string {
  const hop = protocol === '1.1' ? OWN_HOP : `${protocol} ${PSEUDONYM}`
  if (received === '') return hop
  const before = trusted ? received : ownHops(received).join(', ')
  return before === '' ? hop : `${before}, ${hop}`
}

/** What this proxy adds to Via where it has received HTTP/1.1. */
export const OWN_HOP = `1.1 ${PSEUDONYM}`
