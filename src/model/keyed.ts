import type { Facts, Request } from './commands.ts'
import { own } from './names.ts'
import type { Refusal } from './refusal.ts'
import type { KeyedWrite, StateName } from './state.ts'

/** How long a write is remembered by its Idempotency-Key. Source: SPEC §4. */
const REMEMBERED_MS = 24 * 3_600_000
/** At most so many of them. */
const MOST = 5_000

type Known = StateName & { readonly keyed?: Readonly<Record<string, KeyedWrite>> }

/** The write that has made a revision under the key of this request; null when there is none. */
export function earlierWrite(state: Known, { idempotency }: Request, { nowMs }: Facts): KeyedWrite | null {
  if (idempotency === undefined) return null
  const known = own(state.keyed ?? {}, idempotency.key)
  return known === undefined || known.atMs + REMEMBERED_MS < nowMs ? null : known
}

/** Another write under a key that is taken. */
export function keyRefusal(earlier: KeyedWrite, { idempotency }: Request): Refusal | null {
  if (idempotency === undefined || earlier.fingerprint === idempotency.fingerprint) return null
  const message = `was used for another request (revision ${earlier.revision}); use a new key for a new request`
  return { kind: 'invalid', problems: [{ path: 'Idempotency-Key', message }] }
}

/** What a change says of keyed writes: the one that makes it, and those to be forgotten. Undefined = nothing. */
export function keyedBy(
  state: Known,
  request: Request,
  { nowMs }: Facts,
): Readonly<Record<string, KeyedWrite | null>> | undefined {
  const { idempotency } = request
  if (idempotency === undefined) return undefined
  const known = Object.entries(state.keyed ?? {}).sort(([, a], [, b]) => a.atMs - b.atMs)
  const forgotten = known.filter(([, { atMs }], i) => atMs + REMEMBERED_MS < nowMs || i <= known.length - MOST)
  const { key, fingerprint } = idempotency
  const written = { revision: state.revision + 1, fingerprint, atMs: nowMs }
  return { ...Object.fromEntries(forgotten.map(([name]) => [name, null])), [key]: written }
}
