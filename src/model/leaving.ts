import { own } from './names.ts'
import { serversOf } from './servers.ts'
import type { State } from './state.ts'

/** A removed server that still has requests in flight. */
export interface LeavingServer {
  readonly key: string
  readonly service: string
  readonly pool: string
  readonly name: string
  readonly url: string
}

const KEY = /^([^/]+)\/([^/]+)\/([^=]+)=(.*)$/s

/** Returns the servers of these target keys that the state does not have any more. */
export function leavingServers(state: State, keys: Iterable<string>): LeavingServer[] {
  const leaving: LeavingServer[] = []
  const there = new Map<string, ReadonlySet<string>>()
  for (const key of keys) {
    const [, service = '', pool = '', name = '', url = ''] = KEY.exec(key) ?? []
    let known = there.get(service)
    if (known === undefined) {
      const found = own(state.services, service)
      known = new Set(found === undefined ? [] : serversOf(found).map((server) => server.key))
      there.set(service, known)
    }
    if (!known.has(key)) leaving.push({ key, service, pool, name, url })
  }
  return leaving
}
