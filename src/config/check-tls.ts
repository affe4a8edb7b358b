import type { ServerTls } from '../model/server-address.ts'
import { DEFAULT_TLS } from '../model/server-address.ts'
import { tlsFileProblems } from '../net/tls-files.ts'
import type { StoreSettings } from './config.ts'
import { childPath, type Problems } from './problems.ts'
import { isKeyed } from './read.ts'
import type { ServiceSettings } from './schema/service.ts'

type Pools = ServiceSettings['pools']
interface Server {
  readonly url?: string
  readonly tls?: Partial<ServerTls>
}

/** Checks of servers' TLS settings beyond the schema. `pools` may have gaps where `problems` already has an entry. */
export function checkServerTls(pools: Pools, path: string, problems: Problems): void {
  eachTls(pools, path, (server, at) => {
    if (problems.has(at)) return
    if (server.url !== undefined && !/^(?:srv\+)?(?:https|h2):/.test(server.url))
      problems.add(at, 'is for https:// and h2:// servers; write that in url, or leave it out')
    checkPair({ ...DEFAULT_TLS, ...server.tls }, at, problems)
  })
}

/**
 * Checks that this machine has the files that servers' TLS settings name. Only for new definitions: one in force stays in
 * force on an instance that lacks a file, and its connections to that server fail.
 */
export function checkTlsFiles(pools: Pools, path: string, problems: Problems): void {
  eachTls(pools, path, (server, at) => {
    if (problems.has(at)) return
    for (const { key, message } of tlsFileProblems({ ...DEFAULT_TLS, ...server.tls }))
      problems.add(childPath(at, key), message)
  })
}

/** Checks that this machine has the files for connections to Redis, and that they belong together. */
export function checkStoreTls(tls: NonNullable<StoreSettings['tls']>, problems: Problems): void {
  const settings = { ...DEFAULT_TLS, ...tls }
  checkPair(settings, 'store.tls', problems)
  for (const { key, message } of tlsFileProblems(settings)) problems.add(childPath('store.tls', key), message)
}

/** Requires a certificate and its key together. */
function checkPair({ cert, key }: ServerTls, at: string, problems: Problems): void {
  if (cert !== '' && key === '') problems.add(childPath(at, 'key'), 'is missing; a certificate needs its key')
  if (key !== '' && cert === '') problems.add(childPath(at, 'cert'), 'is missing; a key needs its certificate')
}

function eachTls(pools: Pools, path: string, see: (server: Server, at: string) => void): void {
  for (const [pool, definition] of Object.entries(pools)) {
    if (!isKeyed(definition) || !isKeyed(definition.servers)) continue
    const servers = childPath(childPath(childPath(path, 'pools'), pool), 'servers')
    for (const [name, server] of Object.entries<Server>(definition.servers)) {
      if (isKeyed(server) && server.tls !== undefined) see(server, childPath(childPath(servers, name), 'tls'))
    }
  }
}
