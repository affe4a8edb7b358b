import type { Facts, Request } from './commands.ts'
import { own } from './names.ts'
import type { Refusal } from './refusal.ts'
import type { KeyedWrite, StateName } from './state.ts'

/** How long a write is remembered under its Idempotency-Key, ms. Source: SPEC §4. */
const REMEMBERED_MS = 24 * 3_600_000
/** The oldest writes beyond this number are forgotten. */
const MAX_KEYED_WRITES = 5_000

type Known = StateName & { readonly keyed?: Readonly<Record<string, KeyedWrite>> }

/** Returns the earlier write that made a revision under the key of this request; null = none. */
export function earlierWrite(state: Known, { idempotency }: Request, { nowMs }: Facts): KeyedWrite | null {
  if (idempotency === undefined) return null
  const known = own(state.keyed ?? {}, idempotency.key)
  return known === undefined || known.atMs + REMEMBERED_MS < nowMs ? null : known
}

/** Refuses a request whose key was used for a different one; null = same request, or no key. */
export function keyRefusal(earlier: KeyedWrite, { idempotency }: Request): Refusal | null {
  if (idempotency === undefined || earlier.fingerprint === idempotency.fingerprint) return null
  const message = `was used for another request (revision ${earlier.revision}); use a new key for a new request`
  return { kind: 'invalid', problems: [{ path: 'Idempotency-Key', message }] }
}

/**
 * The `keyed` entries of a change: the write that makes it, and null for those to forget. Undefined = the request has
 * no key.
 */
export function keyedBy(
  state: Known,
  request: Request,
  { nowMs }: Facts,
): Readonly<Record<string, KeyedWrite | null>> | undefined {
  const { idempotency } = request
  if (idempotency === undefined) return undefined
  const known = Object.entries(state.keyed ?? {}).sort(([, a], [, b]) => a.atMs - b.atMs)
  const forgotten = known.filter(
    ([, { atMs }], i) => atMs + REMEMBERED_MS < nowMs || i <= known.length - MAX_KEYED_WRITES,
  )
  const { key, fingerprint } = idempotency
  const written = { revision: state.revision + 1, fingerprint, atMs: nowMs }
  return { ...Object.fromEntries(forgotten.map(([name]) => [name, null])), [key]: written }
}
