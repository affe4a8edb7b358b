import { own } from './names.ts'
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
  for (const key of keys) {
    const [, service = '', pool = '', name = '', url = ''] = KEY.exec(key) ?? []
    const pools = own(state.services, service)?.spec.pools ?? {}
    const isThere = own(own(pools, pool)?.servers ?? {}, name)?.url === url
    if (!isThere) leaving.push({ key, service, pool, name, url })
  }
  return leaving
}
