import { isIPv6 } from 'node:net'
import type { FoundServer } from '../model/discovery.ts'
import { addressIn, DEFAULT_TLS, type ServerAddress } from '../model/server-address.ts'
import type { ServerSpec } from '../model/spec.ts'

const URL_PARTS = /^(?:srv\+)?([a-z0-9]+):\/\/(.*?)(?::(\d+))?$/
/** Schemes with TLS. */
const SECURE = /^(?:https|h2)$/

/**
 * The address of a server that DNS has found by that of its name: an IP address in place of the name, which stays in Host
 * and, unless `tls` names another, in the certificate.
 */
export function addressOfFound(spec: ServerSpec, { address, target }: FoundServer): ServerAddress {
  const [, named = 'http', host = '', ownPort] = URL_PARTS.exec(spec.url) ?? []
  const scheme = named === 'srv' ? 'http' : named
  const port = target?.port ?? ownPort
  const withPort = (each: string): string => (port === undefined ? each : `${each}:${port}`)
  const name = target?.host ?? host
  const { tls = DEFAULT_TLS, ...rest } = addressIn(spec)
  return {
    ...rest,
    url: `${scheme}://${withPort(isIPv6(address) ? `[${address}]` : address)}`,
    host: withPort(name),
    ...(SECURE.test(scheme) ? { tls: { ...tls, serverName: tls.serverName || name } } : {}),
  }
}
