import { isIP } from 'node:net'
import { parseNode } from '../addresses.ts'
import * as kind from './kinds.ts'

const DNS_PORT = 53

/** An address with its port, as node's resolver takes it; undefined for anything else, names included. */
function parseDnsServer(text: string): string | undefined {
  const node = parseNode(text, DNS_PORT)
  if (node === undefined || isIP(node.host) === 0) return undefined
  return isIP(node.host) === 6 ? `[${node.host}]:${node.port}` : `${node.host}:${node.port}`
}

export const DnsSection = kind.section(
  {
    servers: kind.list(
      kind.parsed(parseDnsServer, {
        errorMessage: 'expected an address, with its port or without, such as 127.0.0.1:8600 or [::1]:53',
      }),
      {
        description:
          'DNS servers for the names of services with dns.all, and for srv://; none = those of the system. Other names are looked up as the system does.',
        default: [],
      },
    ),
    timeout: kind.duration({
      description: 'Max time for one attempt at one DNS server; there are two.',
      default: '2s',
      minMs: 100,
      maxMs: 30_000,
    }),
  },
  { description: 'Lookups of names, for all services.', default: {} },
)
