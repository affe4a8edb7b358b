import type { ServerTls } from '../model/spec.ts'
import { DEFAULT_TLS } from '../network/endpoint.ts'
import { tlsFileProblems } from '../network/tls-files.ts'
import type { StoreSettings } from './config.ts'
import { childPath, type Problems } from './problems.ts'
import { isKeyed } from './read.ts'
import type { ServiceSettings } from './schema/service.ts'

type Pools = ServiceSettings['pools']
interface Server {
  readonly url?: string
  readonly tls?: Partial<ServerTls>
}

/** What the schema cannot say of servers' TLS settings. `pools` may have gaps where `problems` already tells of something. */
export function checkServerTls(pools: Pools, path: string, problems: Problems): void {
  eachTls(pools, path, (server, at) => {
    if (problems.has(at)) return
    if (server.url?.startsWith('http:'))
      problems.add(at, 'is for https:// servers; write https:// in url, or leave it out')
    checkPair({ ...DEFAULT_TLS, ...server.tls }, at, problems)
  })
}

/**
 * Whether this machine has the files that servers' TLS settings name. Only asked of what people write now: a definition
 * that is in force stays so on an instance that lacks a file, whose connections to that server then fail.
 */
export function checkTlsFiles(pools: Pools, path: string, problems: Problems): void {
  eachTls(pools, path, (server, at) => {
    if (problems.has(at)) return
    for (const { key, message } of tlsFileProblems({ ...DEFAULT_TLS, ...server.tls }))
      problems.add(childPath(at, key), message)
  })
}

/** The files for the connections to Redis: whether this machine has them, and whether they fit each other. */
export function checkStoreTls(tls: NonNullable<StoreSettings['tls']>, problems: Problems): void {
  const settings = { ...DEFAULT_TLS, ...tls }
  checkPair(settings, 'store.tls', problems)
  for (const { key, message } of tlsFileProblems(settings)) problems.add(childPath('store.tls', key), message)
}

/** A certificate and its key come together. */
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
