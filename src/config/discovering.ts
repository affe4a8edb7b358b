import { isIP } from 'node:net'
import type { Discover } from '../model/discovery.ts'
import type { ServerSpec } from '../model/spec.ts'

/** The default of `dns.refresh`, which needs no mention. */
const USUAL_REFRESH_MS = 30_000

/** Adds to servers what DNS is asked for: by `dns.all`, for those whose host is a name, and by `srv://`. */
export function discovering(
  servers: Readonly<Record<string, ServerSpec>>,
  { all, refresh }: { readonly all: boolean; readonly refresh: number },
): Readonly<Record<string, ServerSpec>> {
  return Object.fromEntries(
    Object.entries(servers).map(([name, server]): [string, ServerSpec] => {
      const discover = discoverOf(server.url, all, refresh)
      if (discover !== undefined) return [name, { ...server, discover }]
      return [name, refresh === USUAL_REFRESH_MS ? server : { ...server, refreshMs: refresh }]
    }),
  )
}

function discoverOf(url: string, all: boolean, refreshMs: number): Discover | undefined {
  const [, scheme = '', host = ''] = /^([a-z0-9+]+):\/\/(\[[^\]]*\]|[^:/]*)/.exec(url) ?? []
  if (/^srv\b/.test(scheme)) return { records: 'services', name: host, refreshMs }
  return all && host !== '' && isName(host) ? { records: 'addresses', name: host, refreshMs } : undefined
}

function isName(host: string): boolean {
  return !host.startsWith('[') && isIP(host) === 0
}
