import { problemAnswers } from './problem-schemas.ts'
import {
  cannotFollow,
  caveats,
  count,
  flag,
  instant,
  leftOut,
  listOf,
  names,
  object,
  override,
  ref,
  revision,
  type Schema,
  stale,
  text,
  written,
} from './schema-parts.ts'

const percents = { type: 'object', additionalProperties: { type: 'number', minimum: 0, maximum: 100 } }
const anything = {
  description: 'A split, server states and weights, deadlines of pools, or the parts of a definition that differ.',
}

const file = {
  hash: { ...text, description: 'Of its services.' },
  version: { type: ['integer', 'null'], description: 'Its configVersion.' },
}

const health = object({ status: { enum: ['ok', 'degraded', 'failing'] }, detail: { type: ['string', 'null'] } })
const drained = {
  drained: { ...names, description: 'What was to come to rest by this, and has.' },
  cut: { ...count, description: 'Requests that were cut at the deadline meanwhile.' },
  scope: { const: 'local', description: 'It was done to this instance alone.' },
  ...caveats,
  ...cannotFollow,
  mayBeLost: { const: true, description: 'No replica of the store has it yet: a fail-over now would lose it.' },
}

const removed = {
  removed: {
    ...object({ services: names, hint: text }),
    description: 'Services that the file names and that were removed through the API, and how to bring them back.',
  },
}

/** What the API answers, by name; SPEC §4. */
export const answers = {
  Probe: object({
    at: instant,
    ok: flag,
    status: { type: ['integer', 'null'] },
    ms: { type: 'number' },
    error: { type: ['string', 'null'] },
  }),
  Server: object(
    {
      name: text,
      service: text,
      pool: text,
      url: text,
      weight: { ...count, description: 'As configured, or as overridden at run time.' },
      state: {
        enum: ['ready', 'drain', 'maint', 'leaving'],
        description: 'Set by people; leaving: it was removed, and is shown until the requests it has are done.',
      },
      health: {
        enum: ['unknown', 'up', 'down', 'ejected'],
        description: 'Found by checks; ejected: up, but requests have failed there.',
      },
      drained: { ...flag, description: 'Taken out, and nothing is under way there any more.' },
      inFlight: { ...count, description: 'Requests and tunnels under way in the whole fleet.' },
      lastProbe: { anyOf: [ref('Probe'), { type: 'null' }] },
    },
    {
      maxConnections: { ...count, description: 'Requests under way there at most, per instance; absent = unbounded.' },
      inFlightByInstance: {
        type: 'object',
        additionalProperties: count,
        description: 'Under way at each instance, by its name; where servers are listed.',
      },
    },
  ),
  Pool: object({
    name: text,
    version: text,
    share: { type: 'number', description: 'Percent of the requests.' },
    drained: { ...flag, description: 'Has no share, and nothing is under way there any more.' },
    inFlight: count,
    up: { ...count, description: 'Servers that take requests.' },
    servers: listOf('Server'),
  }),
  Service: object(
    {
      name: text,
      revision: { ...count, description: 'The last one that changed this service.' },
      hosts: names,
      paths: names,
      split: { ...percents, description: 'Percent of the requests by pool.' },
      mode: { enum: ['serving', 'paused', 'stopped'] },
      pools: listOf('Pool'),
    },
    caveats,
  ),
  Services: object({ revision, services: listOf('Service') }, caveats),
  Servers: object({ revision, servers: listOf('Server') }, caveats),
  Written: object({ ...written, service: { anyOf: [ref('Service'), { type: 'null' }] } }, drained),
  ServersWritten: object({ ...written, servers: listOf('Server') }, { service: ref('Service'), ...drained }),
  Instance: object(
    {
      id: text,
      name: text,
      self: { ...flag, description: 'The one that answers.' },
      live: { ...flag, description: 'It has been heard of within the last three seconds.' },
      address: { ...text, description: 'Of its admin API, as the others reach it; empty = they do not.' },
      version: text,
      appliedRevision: { type: 'integer', description: 'In force in all its workers; -1 = none yet.' },
      startedAt: instant,
      lastSeen: instant,
      configuration: {
        ...object({
          ...file,
          inForce: { ...flag, description: 'It is the file in force in the fleet.' },
          standing: {
            enum: ['inForce', 'newer', 'older', 'differs', 'none'],
            description: 'To the file in force; differs: the same configVersion with other services; none: no file is.',
          },
          problem: { type: ['string', 'null'], description: 'Why it was not applied, or what a reload failed for.' },
        }),
        description: 'The configuration file it has read.',
      },
      cannotFollow: {
        type: 'array',
        items: object({ service: text, problem: text }),
        description: 'Services whose definitions it cannot read: it goes on with those that it could read last.',
      },
      overrides: listOf('Override'),
      processes: {
        type: 'array',
        items: object(
          {
            role: { enum: ['supervisor', 'control', 'worker'] },
            pid: count,
            appliedRevision: { type: 'integer' },
            inFlight: { ...count, description: 'Requests and tunnels under way.' },
            connections: { ...count, description: 'Open connections of clients.' },
            cpuPercent: { type: 'number', description: 'Of one core.' },
            memoryBytes: count,
            eventLoopDelayMs: {
              type: 'number',
              description: 'How late timers are, 99th percentile of the last second.',
            },
          },
          {
            hung: {
              const: true,
              description: 'It does not respond, and is replaced if it does not come back; absent = it responds.',
            },
          },
        ),
      },
    },
    {
      store: {
        ...health,
        description: 'How the store does as it finds it, and what to do; absent = its version does not say.',
      },
      ...stale,
      ...leftOut,
    },
  ),
  Instances: object(
    {
      revision,
      configuration: {
        anyOf: [{ ...object(file), description: 'The file in force.' }, { type: 'null' }],
      },
      instances: listOf('Instance'),
    },
    caveats,
  ),
  InstanceStruck: object(
    {
      revision,
      changed: flag,
      instance: { anyOf: [ref('Instance'), { type: 'null' }], description: 'null: nothing but its id was known.' },
    },
    caveats,
  ),
  Override: object(override),
  Overrides: object({ revision, overrides: listOf('Override') }, { ...stale, ...leftOut }),
  WorkersRestarted: object({ restarting: { ...flag, description: 'It goes on; ?wait= answers when it is done.' } }),
  Definition: object(
    {
      revision: {
        ...count,
        description: 'The last one that changed this service; the ETag says it too, for If-Match.',
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
  HistoryEntry: object({
    revision: count,
    at: instant,
    by: { ...text, description: 'Name of the token; local where there are no tokens.' },
    reason: { type: ['string', 'null'] },
    action: text,
    service: text,
    from: anything,
    to: anything,
    forced: flag,
  }),
  History: object({ revision, history: { ...listOf('HistoryEntry'), description: 'Newest first.' } }, caveats),
  Configuration: {
    ...object({ revision, services: { type: 'object' } }, { ...caveats, ...removed }),
    additionalProperties: true,
  },
  Reloaded: object(
    { ...written, needRestart: { ...names, description: 'Settings that differ and that only a restart applies.' } },
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
} satisfies Readonly<Record<string, Schema>>

export type AnswerName = keyof typeof answers
