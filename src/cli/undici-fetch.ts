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

/**
 * A fetch that waits for an answer as long as it takes, and reaches socket files. `sockets`: their paths, by the urls that
 * stand for them.
 */
export function undiciFetch(sockets: ReadonlyMap<string, string>): typeof fetch {
  const agents = new Map<string, Agent>()
  return async (input, init) => {
    // Loaded only here: most commands need neither.
    const undici = await import('undici')
    const url = String(input)
    const [base = '', path = ''] = [...sockets].find(([each]) => url.startsWith(`${each}/`)) ?? []
    const connect = path === '' ? {} : { connect: { socketPath: path } }
    const agent = agents.get(path) ?? new undici.Agent({ headersTimeout: 0, bodyTimeout: 0, ...connect })
    agents.set(path, agent)
    const target = path === '' ? url : `http://localhost${url.slice(base.length)}`
    const request = { ...init, dispatcher: agent } as Parameters<typeof undici.fetch>[1]
    return (await undici.fetch(target, request)) as unknown as Response
  }
}
