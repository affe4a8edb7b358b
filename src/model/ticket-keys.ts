import { type DocumentKind, findDocument, putDocument } from './document-kind.ts'
import type { Change, Documents } from './state.ts'

/** The keys that encrypt the tickets of TLS sessions in the whole fleet. Secret. */
export type TicketKeys = {
  /** 48 bytes in base64, or sealed (`SecretBox`). */
  readonly key: string
  /** When they were made, ms since the epoch by the clock of the store. */
  readonly madeAtMs: number
}

export const TICKET_KEYS: DocumentKind<TicketKeys> = {
  collection: 'ticketKeys',
  fits: (value): value is TicketKeys =>
    typeof value.key === 'string' && value.key !== '' && Number.isFinite(value.madeAtMs),
}
/** Name of the only document of its kind. */
const CURRENT = 'current'
/** The purpose for which the keys are sealed. */
export const TICKET_PURPOSE = 'ticketKeys'
/** What node:tls wants. */
export const TICKET_KEY_BYTES = 48

type Collected = Pick<Documents, 'collections'>

/** Returns the keys; `unreadable` = this version cannot read them; null = there are none. */
export function ticketKeysOf(documents: Collected): TicketKeys | 'unreadable' | null {
  const found = findDocument(TICKET_KEYS, documents, CURRENT)
  return found === null || found === 'unreadable' ? found : found.value
}

/** Returns the change that makes these the keys of the fleet. */
export function ticketKeysChange(keys: TicketKeys, revision: number, at: string): Change {
  return { revision, at, services: {}, collections: putDocument(TICKET_KEYS, CURRENT, keys, revision), history: [] }
}
