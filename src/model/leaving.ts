import { own } from './names.ts'
import type { State } from './state.ts'

/** A server that was removed and finishes the requests it has. */
export interface LeavingServer {
  readonly key: string
  readonly service: string
  readonly pool: string
  readonly name: string
  readonly url: string
}

const KEY = /^([^/]+)\/([^/]+)\/([^=]+)=(.*)$/s

/** Those of the servers behind these target keys that the state does not have (any more). */
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
