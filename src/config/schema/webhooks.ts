import { unknownTypes } from '../../model/event-filter.ts'
import { EVENT_FAMILIES, EVENT_TYPES } from '../../model/event-record.ts'
import * as kind from './kinds.ts'

const KNOWN = [...Object.keys(EVENT_TYPES), ...EVENT_FAMILIES.map((prefix) => `${prefix}*`)].join(', ')

const WebhookSection = kind.section(
  {
    url: kind.parsed(parseUrl, {
      description: 'Where events are sent by POST: http:// or https://, without credentials.',
      errorMessage: 'expected http://HOST/PATH or https://HOST/PATH, without credentials',
    }),
    types: kind.list(
      kind.parsed((type) => (unknownTypes([type]).length === 0 ? type : undefined), {
        errorMessage: `expected a type of event or a pattern such as drain.*; known: ${KNOWN}`,
      }),
      { description: 'Types of events to send, patterns such as rollout.* included; none = all.', default: [] },
    ),
    secret: kind.text({
      description: 'Key of the signature (HMAC-SHA256), at least 16 characters; whsec_ and base64, or any text.',
      pattern: '^[\\x21-\\x7e]{16,}$',
      errorMessage: 'expected at least 16 characters, no spaces',
      writeOnly: true,
    }),
  },
  {},
)

/** The receivers of events, SPEC §16. */
export const WebhooksSection = kind.list(WebhookSection, {
  description: 'Receivers of events: each gets them in order, signed, and repeated until it has taken them.',
  default: [],
})

function parseUrl(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined
  const { protocol, username, password, href } = new URL(text)
  return ['http:', 'https:'].includes(protocol) && username === '' && password === '' ? href : undefined
}
