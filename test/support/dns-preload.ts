/**
 * Has a process look up names at the DNS server in TEST_DNS_SERVER (see dns-server.ts) instead of asking the system, whose
 * configuration is no test's to change.
 */
import dns from 'node:dns'
import { isIP } from 'node:net'
import process from 'node:process'

type Callback = (error: NodeJS.ErrnoException | null, address?: unknown, family?: number) => void

const resolver = new dns.Resolver({ timeout: 500, tries: 1 })
resolver.setServers([process.env.TEST_DNS_SERVER ?? ''])

function lookup(name: string, options: { readonly all?: boolean }, callback: Callback): void {
  const tell = (addresses: readonly string[]): void => {
    if (options.all === true)
      callback(
        null,
        addresses.map((address) => ({ address, family: isIP(address) })),
      )
    else callback(null, addresses[0], isIP(addresses[0] ?? ''))
  }
  if (isIP(name) !== 0) tell([name])
  else if (name === 'localhost') tell(['::1', '127.0.0.1'])
  else resolver.resolve4(name, (error, addresses) => (error === null ? tell(addresses) : callback(error)))
}

Object.assign(dns, { lookup })
