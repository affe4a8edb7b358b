import type { SrvRecord } from 'node:dns'
import { isIP } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { type Discover, type FoundServer, idOf } from '../model/discovery.ts'
import { type DnsClient, type LookupOutcome, type LookupResult, lookUpBySystem } from '../net/dns-client.ts'

/** What DNS has for a name; `servers` in a stable order, empty unless the outcome is `found`. */
export interface Answer {
  readonly outcome: LookupOutcome
  readonly servers: readonly FoundServer[]
  /** How long it is valid, ms; null = not known. */
  readonly ttlMs: number | null
}

/** Time that the other family gets when one has answered, ms: some DNS servers do not answer questions for IPv6. */
const OTHER_FAMILY_MS = 1_000
/** Max servers of one name. */
export const MAX_SERVERS = 500

/**
 * Looks up the servers of a name. `before`: the last answer, of which a part stays where a part of the lookup fails: the
 * addresses of one family, or of one target of SRV records. Never rejects.
 */
export async function lookUp(
  client: DnsClient,
  { records, name }: Pick<Discover, 'records' | 'name'>,
  before: readonly FoundServer[],
): Promise<Answer> {
  const { outcome, servers, ttlMs } =
    records === 'addresses' ? await lookUpName(client, name, before) : await lookUpServices(client, name, before)
  const unique = new Map(servers.map((server) => [idOf(server), server]))
  const sorted = [...unique].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, server]) => server)
  return { outcome, servers: sorted.slice(0, MAX_SERVERS), ttlMs }
}

async function lookUpName(client: DnsClient, name: string, before: readonly FoundServer[]): Promise<Answer> {
  const known = before.map(({ address }) => address)
  const asked = await lookUpAddresses(client, name, known)
  const { outcome, records, ttlMs } =
    asked.outcome !== 'found' && client.isOfSystem ? await lookUpBySystem(name) : asked
  const servers = records.map((address) => ({ address, target: null, weight: 1, backup: false }))
  // What the system says of a name that DNS cannot be asked for is no better than the reason for that.
  return { outcome: outcome === 'found' ? outcome : asked.outcome, servers, ttlMs }
}

/** Looks up both families. `known`: addresses of which those of a family stay whose lookup fails. */
async function lookUpAddresses(
  client: DnsClient,
  name: string,
  known: readonly string[],
): Promise<LookupResult<string>> {
  const asked = [client.addresses(name, 4), client.addresses(name, 6)] as const
  const first = await Promise.race(asked)
  const late: LookupResult<string> = { outcome: 'timeout', records: [], ttlMs: null }
  const limited = (result: Promise<LookupResult<string>>) =>
    first.outcome === 'found' ? Promise.race([result, delay(OTHER_FAMILY_MS, late, { ref: false })]) : result
  const [v4, v6] = await Promise.all(asked.map(limited))
  const both = [v4 ?? late, v6 ?? late] as const
  const found = both.filter(({ outcome }) => outcome === 'found')
  const [some] = found
  if (some === undefined) return { ...late, outcome: outcomeOf(both) }
  const stays = (family: 4 | 6) =>
    isFailure(both[family === 4 ? 0 : 1]) ? known.filter((each) => isIP(each) === family) : []
  const ttls = found.flatMap(({ ttlMs }) => ttlMs ?? [])
  return {
    outcome: 'found',
    records: [...found.flatMap(({ records }) => records), ...stays(4), ...stays(6)],
    ttlMs: ttls.length === 0 ? null : Math.min(...ttls),
  }
}

async function lookUpServices(client: DnsClient, name: string, before: readonly FoundServer[]): Promise<Answer> {
  const { outcome, records } = await client.services(name)
  // RFC 2782: a single record with the target "." says that the service is not there.
  const targets = records.filter((record) => record.name !== '' && record.name !== '.')
  if (targets.length === 0) return { outcome: outcome === 'found' ? 'nodata' : outcome, servers: [], ttlMs: null }
  const hosts = [...new Set(targets.map((record) => record.name.toLowerCase()))]
  const looked = await Promise.all(hosts.map(async (host) => [host, await lookUpTarget(client, host, before)] as const))
  const byHost = new Map(looked)
  const first = Math.min(...targets.map(({ priority }) => priority))
  const servers = targets.flatMap((record) => serversOf(record, byHost, first))
  const ttls = looked.flatMap(([, { ttlMs }]) => ttlMs ?? [])
  const ttlMs = ttls.length === 0 ? null : Math.min(...ttls)
  if (servers.length > 0) return { outcome: 'found', servers, ttlMs }
  return { outcome: outcomeOf(looked.map(([, result]) => result)), servers, ttlMs }
}

async function lookUpTarget(
  client: DnsClient,
  host: string,
  before: readonly FoundServer[],
): Promise<LookupResult<string>> {
  if (isIP(host) !== 0) return { outcome: 'found', records: [host], ttlMs: null }
  const known = before.filter(({ target }) => target?.host === host).map(({ address }) => address)
  const result = await lookUpAddresses(client, host, known)
  if (result.outcome === 'found') return result
  // The record is there, so its target keeps the addresses that it had.
  return known.length > 0 ? { outcome: 'found', records: [...new Set(known)], ttlMs: null } : result
}

function serversOf(
  { name, port, priority, weight }: SrvRecord,
  addresses: ReadonlyMap<string, LookupResult<string>>,
  firstPriority: number,
): FoundServer[] {
  const host = name.toLowerCase()
  const { records = [] } = addresses.get(host) ?? {}
  return records.map((address) => ({
    address,
    target: { host, port },
    // A weight of 0 asks for few requests, not for none.
    weight: Math.max(1, weight),
    backup: priority > firstPriority,
  }))
}

/** Whether a lookup says nothing about the name. */
function isFailure({ outcome }: LookupResult<string>): boolean {
  return outcome !== 'found' && outcome !== 'nxdomain' && outcome !== 'nodata'
}

/** The outcome of several lookups that have found nothing: that the name is not there counts only if all say so. */
function outcomeOf(results: readonly LookupResult<string>[]): LookupOutcome {
  const failed = results.find(isFailure)
  return failed?.outcome ?? results[0]?.outcome ?? 'failed'
}
