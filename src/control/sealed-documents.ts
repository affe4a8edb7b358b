import { ACME_ACCOUNTS, ACME_CERTIFICATES, ACME_ORDERS } from '../model/acme.ts'
import type { SecretBox } from '../model/secret-box.ts'
import type { Documents } from '../model/state.ts'
import { STICKY_PURPOSE, stickyKeyOf } from '../model/sticky-key.ts'
import { TICKET_PURPOSE, ticketKeysOf } from '../model/ticket-keys.ts'

const PROBLEMS = {
  noSecret: 'is encrypted, and store.secret is not set; set it to the secret of the other instances',
  otherSecret:
    'cannot be decrypted with store.secret; set it to the secret that encrypted it, that of the other instances',
} as const

/** The store has secrets that this instance cannot decrypt. */
export class WrongSecret extends Error {
  override name = 'WrongSecret'
}

/** Why this instance cannot decrypt what the store keeps encrypted; null = it can. */
export function sealProblem(documents: Pick<Documents, 'collections'>, box: SecretBox): string | null {
  const ticketKeys = ticketKeysOf(documents)
  const sealed = [
    { name: 'stickyKeys/current', purpose: STICKY_PURPOSE, text: stickyKeyOf(documents) },
    {
      name: 'ticketKeys/current',
      purpose: TICKET_PURPOSE,
      text: ticketKeys === null || ticketKeys === 'unreadable' ? null : ticketKeys.key,
    },
  ]
  for (const { collection } of [ACME_ACCOUNTS, ACME_ORDERS, ACME_CERTIFICATES])
    sealed.push(...keysIn(documents, collection))
  for (const { name, purpose, text } of sealed) {
    const opened = text === null ? null : box.open(text, purpose)
    if (opened !== null && 'problem' in opened) return `${name} in the store ${PROBLEMS[opened.problem]}`
  }
  return null
}

/** Keys of documents of a collection, each for the purpose of its name. */
function keysIn(documents: Pick<Documents, 'collections'>, collection: string) {
  return Object.entries(documents.collections?.[collection] ?? {}).map(([each, { value }]) => {
    const { key = null } = (value.order ?? value) as { readonly key?: unknown }
    return { name: `${collection}/${each}`, purpose: collection, text: typeof key === 'string' ? key : null }
  })
}
