import { StoreUnavailable } from '../store.ts'

/** Errors of Redis that mean that it did not execute a command: none of them occurs after a script's first write. */
const NOT_DONE =
  /^(READONLY|LOADING|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|NOREPLICAS|OOM|MISCONF|NOAUTH|NOPERM|WRONGPASS|BUSY|MOVED|ASK|CROSSSLOT|UNKNOWN)/

/** The client's error for a closed connection. */
export const CLOSED = 'Connection is closed.'
/** Message for people when Redis refuses the user, its password, or a command for lack of a right. */
export const REFUSED = 'Redis refuses our credentials'
/** Message for people when a connection is lost. */
export const BROKEN = 'the connection to Redis broke'

/** The store has certainly not executed the command. */
export class NotDone extends StoreUnavailable {}

/** Whether a command was not sent. */
export function wasNotSent({ message }: Error): boolean {
  return message.startsWith("Stream isn't writeable") || message.includes('enableOfflineQueue')
}

/**
 * Causes for which Redis refuses writes although its data is reliable, with the remedy; by the first word of its error.
 * READONLY is not among them: the data of a replica may be behind.
 */
const WRITE_REFUSALS: Readonly<Record<string, string>> = {
  OOM: 'Redis is out of memory (OOM: it has reached maxmemory). Free memory there, or raise maxmemory',
  MISCONF:
    'Redis cannot save to its disk (MISCONF) and refuses writes until it can. Check its disk: its log and INFO persistence say more',
  NOREPLICAS:
    'Redis has fewer replicas than min-replicas-to-write (NOREPLICAS). Bring a replica back, or lower that setting',
}

/** Why Redis answers but refuses writes, and the remedy; null = the error has another cause. */
export function writeRefusal({ message }: Error): string | null {
  return WRITE_REFUSALS[/^[A-Z]+/.exec(message)?.[0] ?? ''] ?? null
}

/** Whether an error of Redis means that it did not execute the command. */
export function isRefusal({ message }: Error): boolean {
  return NOT_DONE.test(message)
}

/** Describes an error of the client or of Redis for people, without addresses or passwords. */
export function explain(error: Error & { code?: string }): string {
  const { message, code } = error
  if (message === 'Command timed out') return 'Redis does not answer'
  if (message === CLOSED) return BROKEN
  if (message.startsWith('Unknown RESP type'))
    return 'the server there is not Redis; check host and port of store.redis'
  if (message.startsWith('Too many Cluster redirections')) return 'the cluster is down, or its slots are moving'
  if (message.startsWith('Failed to refresh slots'))
    return 'no node of the cluster answers, or none accepts our credentials'
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
