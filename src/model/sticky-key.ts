import { createHmac } from 'node:crypto'
import { type DocumentKind, findDocument, putDocument } from './document-kind.ts'
import type { Change, Documents, Service } from './state.ts'

/** The key of a fleet's sticky cookies, in plain text or sealed (`SecretBox`). Secret. */
type StickyKey = { readonly key: string }

const STICKY_KEYS: DocumentKind<StickyKey> = {
  collection: 'stickyKeys',
  fits: (value): value is StickyKey => typeof value.key === 'string' && value.key !== '',
}
/** Name of the only document of its kind. */
const CURRENT = 'current'
/** The purpose for which the key is sealed. */
export const STICKY_PURPOSE = 'stickyKeys'
/** 128 bits of the HMAC. */
const VALUE_BYTES = 16

type Collected = Pick<Documents, 'collections'>

/** Returns the key of the sticky cookies as it is stored; null = there is none, or this version cannot read it. */
export function stickyKeyOf(documents: Collected): string | null {
  const found = findDocument(STICKY_KEYS, documents, CURRENT)
  return found === null || found === 'unreadable' ? null : found.value.key
}

/**
 * Returns the `collections` of a change at `revision` that makes `secret` the key, which is sealed already if it is to be, if the change leaves a service with
 * `sticky` and there is no key yet; otherwise undefined.
 */
export function firstStickyKey(
  documents: Collected,
  changed: readonly (Service | null)[],
  secret: string,
  revision: number,
): Change['collections'] {
  const isNeeded = changed.some((service) => service !== null && service.spec.traffic.sticky !== null)
  if (!isNeeded || findDocument(STICKY_KEYS, documents, CURRENT) !== null) return undefined
  return putDocument(STICKY_KEYS, CURRENT, { key: secret }, revision)
}

/** The value of the sticky cookie for a server, the same in the whole fleet. It reveals neither name nor address. */
export function stickyValue(key: string, service: string, pool: string, server: string): string {
  const mac = createHmac('sha256', key)
    .update(JSON.stringify([service, pool, server]))
    .digest()
  return mac.subarray(0, VALUE_BYTES).toString('base64url')
}
