import { certificateAnswers } from './certificate-schemas.ts'
import { event } from './events/event-schema.ts'
import { explanationAnswers } from './explanation-schemas.ts'
import { fleetAnswers } from './fleet-schemas.ts'
import { problemAnswers } from './problem-schemas.ts'
import { rolloutAnswers } from './rollout-schemas.ts'
import {
  caveats,
  count,
  drained,
  flag,
  health,
  instant,
  listOf,
  names,
  object,
  revision,
  type Schema,
  text,
  written,
} from './schema-parts.ts'
import { serviceAnswers } from './service-schemas.ts'
import { statsAnswers } from './stats-schemas.ts'

const anything = {
  description: 'A split, server states and weights, deadlines of pools, or the parts of a definition that differ.',
}

const removed = {
  removed: {
    ...object({ services: names, hint: text }),
    description: 'Services that the file names and that were removed through the API, and how to bring them back.',
  },
}

/** Schemas of the answers, by name; SPEC §4. */
export const answers = {
  ...serviceAnswers,
  ...fleetAnswers,
  ...certificateAnswers,
  Definition: object(
    {
      revision: {
        ...count,
        description: 'The last revision that changed this service; also in the ETag, for If-Match.',
      },
      service: text,
      written: {
        type: 'object',
        additionalProperties: true,
        description: 'As written, in a file and through the API. Secrets are shown as (hidden).',
      },
      resolved: {
        type: ['object', 'null'],
        additionalProperties: true,
        description: 'With all defaults; null: this instance cannot read the definition, see cannotFollow.',
      },
    },
    caveats,
  ),
  ...explanationAnswers,
  HistoryEntry: object({
    revision: count,
    at: instant,
    by: {
      ...text,
      description: 'Name of the token; local if there are no tokens, library if its own process made the change.',
    },
    reason: { type: ['string', 'null'] },
    action: text,
    service: text,
    from: anything,
    to: anything,
    forced: flag,
  }),
  History: object({ revision, history: { ...listOf('HistoryEntry'), description: 'Newest first.' } }, caveats),
  LoggedEvent: event,
  Configuration: {
    ...object({ revision, services: { type: 'object' } }, { ...caveats, ...removed }),
    additionalProperties: true,
  },
  Reloaded: object(
    { ...written, needRestart: { ...names, description: 'Changed settings that need a restart.' } },
    { ...drained, ...removed },
  ),
  Health: object(
    {
      status: { enum: ['ok', 'degraded', 'failing'] },
      revision,
      version: text,
      parts: { type: 'object', additionalProperties: health },
    },
    caveats,
  ),
  PreviewLink: object({ url: text, expiresAt: text }),
  Ready: object({ ready: flag, reason: { type: ['string', 'null'] } }),
  Live: object({ status: { const: 'ok' } }),
  ...problemAnswers,
  ...statsAnswers,
  ...rolloutAnswers,
} satisfies Readonly<Record<string, Schema>>

export type AnswerName = keyof typeof answers
