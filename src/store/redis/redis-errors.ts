import { StoreUnavailable } from '../store.ts'

/** Errors by which Redis says that it has not carried a command out: none of them comes after a script's first write. */
const NOT_DONE =
  /^(READONLY|LOADING|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|NOREPLICAS|OOM|MISCONF|NOAUTH|NOPERM|WRONGPASS|BUSY|MOVED|ASK|CROSSSLOT|UNKNOWN)/

/** How the client says that a connection is no more. */
export const CLOSED = 'Connection is closed.'
/** What people are told when our user or its password is not good enough. */
export const REFUSED = 'Redis refuses our credentials'
/** What people are told when a connection is no more. */
export const BROKEN = 'the connection to Redis broke'

/** The store is out of reach, and certainly has not done what it was asked for. */
export class NotDone extends StoreUnavailable {}

/** Whether a command was not even sent. */
export function wasNotSent({ message }: Error): boolean {
  return message.startsWith("Stream isn't writeable") || message.includes('enableOfflineQueue')
}

/**
 * Why Redis takes no writes though what it holds can be relied on, by how its error begins; and what to do. A replica is
 * not among them: it may be behind.
 */
const WRITE_REFUSALS: Readonly<Record<string, string>> = {
  OOM: 'Redis is out of memory (OOM: it has reached maxmemory). Free memory there, or raise maxmemory',
  MISCONF:
    'Redis cannot save to its disk (MISCONF) and refuses writes until it can. See to its disk: its log and INFO persistence say more',
  NOREPLICAS:
    'Redis has fewer replicas than min-replicas-to-write (NOREPLICAS). Bring a replica back, or lower that setting',
}

/** Why Redis takes no writes though it answers, and what to do; null = the error says nothing of the kind. */
export function writeRefusal({ message }: Error): string | null {
  return WRITE_REFUSALS[/^[A-Z]+/.exec(message)?.[0] ?? ''] ?? null
}

/** Whether Redis has said that it did not do what it was asked for. */
export function isRefusal({ message }: Error): boolean {
  return NOT_DONE.test(message)
}

/** An error of the client or of Redis for people who may not be told where Redis is. */
export function explain(error: Error & { code?: string }): string {
  const { message, code } = error
  if (message === 'Command timed out') return 'Redis does not answer'
  if (message === CLOSED) return BROKEN
  if (message.startsWith('Unknown RESP type'))
    return 'what answers there is no Redis; look whether store.redis has the right host and port'
  if (message.startsWith('Too many Cluster redirections')) return 'the cluster is down, or its slots are moving'
  if (message.startsWith('Failed to refresh slots')) return 'no node of the cluster answers, or takes our credentials'
  if (/can't (run this command|access at least one of the keys)/.test(message))
    return `${REFUSED} (${message.split(' script:')[0]})`
  if (message.startsWith("Stream isn't writeable")) return 'Redis cannot be reached'
  if (message.startsWith('READONLY'))
    return 'Redis is read-only: this is a replica (READONLY). Point store.redis at the primary, or promote this one (REPLICAOF NO ONE)'
  const refusal = writeRefusal(error)
  if (refusal !== null) return refusal
  if (message.startsWith('All sentinels are unreachable'))
    return 'no sentinel can be reached, or none knows the primary'
  if (/^(WRONGPASS|NOAUTH|NOPERM)|ERR AUTH/.test(message)) return `${REFUSED} (${message.split(' ')[0]})`
  if (code === 'ECONNREFUSED') return 'Redis refuses connections'
  if (code !== undefined) return `Redis cannot be reached (${code})`
  return message.replaceAll(/\b\d{1,3}(\.\d{1,3}){3}(:\d+)?\b/g, '…')
}
