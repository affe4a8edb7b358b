/** Host name of a Host header in lower case, without port and trailing dot. */
export function hostName(host: string): string {
  const colon = host.startsWith('[') ? host.indexOf(':', host.indexOf(']')) : host.indexOf(':')
  const name = (colon === -1 ? host : host.slice(0, colon)).toLowerCase()
  return name.endsWith('.') ? name.slice(0, -1) : name
}
