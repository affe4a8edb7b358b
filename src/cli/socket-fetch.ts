import type { Agent } from 'undici'

const SCHEME = 'unix:'
/** Stands for the host, which no name server knows. */
const BASE = 'http://unix'

/** Whether the address of an admin API is a socket file: unix:/run/cutover.sock. */
export function isSocket(address: string): boolean {
  return address.startsWith(SCHEME)
}

/** The path of a socket file. */
export function socketPath(address: string): string {
  return address.slice(SCHEME.length).replace(/^\/{2,}/, '/')
}

/** The url that stands for a socket file: its path is that of the file. */
export function socketUrl(address: string): string {
  const url = new URL(BASE)
  url.pathname = socketPath(address)
  return url.href.replace(/\/+$/, '')
}

/** Text with urls that stand for socket files, as people write them. */
export function withSockets(text: string): string {
  return text.replaceAll(`${BASE}/`, `${SCHEME}/`)
}

/** A fetch that reaches socket files. `sockets`: their paths, by the urls that stand for them. */
export function socketFetch(sockets: ReadonlyMap<string, string>): typeof fetch {
  const agents = new Map<string, Agent>()
  return async (input, init) => {
    const url = String(input)
    const found = [...sockets].find(([base]) => url.startsWith(`${base}/`))
    if (found === undefined) return fetch(url, init)
    const [base, path] = found
    // Loaded only here: most admin APIs have a port.
    const undici = await import('undici')
    const agent = agents.get(path) ?? new undici.Agent({ connect: { socketPath: path } })
    agents.set(path, agent)
    const request = { ...init, dispatcher: agent } as Parameters<typeof undici.fetch>[1]
    return (await undici.fetch(`http://localhost${url.slice(base.length)}`, request)) as unknown as Response
  }
}
