import { event } from './events/event-schema.ts'
import { problemAnswers } from './problem-schemas.ts'
import { rolloutAnswers } from './rollout-schemas.ts'
import {
  cannotFollow,
  caveats,
  count,
  flag,
  instant,
  leftOut,
  listOf,
  missing,
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
import { statsAnswers } from './stats-schemas.ts'

const percents = { type: 'object', additionalProperties: { type: 'number', minimum: 0, maximum: 100 } }
const anything = {
  description: 'A split, server states and weights, deadlines of pools, or the parts of a definition that differ.',
}

const file = {
  hash: { ...text, description: 'Hash of its services.' },
  version: { type: ['integer', 'null'], description: 'Its configVersion.' },
}

const health = object({ status: { enum: ['ok', 'degraded', 'failing'] }, detail: { type: ['string', 'null'] } })
const instantOrNull = { type: ['string', 'null'], format: 'date-time' }
const milliseconds = { type: ['integer', 'null'], minimum: 0 }
const drained = {
  drained: { ...names, description: 'Pools and servers that this change drained and that are idle.' },
  cut: { ...count, description: 'Requests that were cut at the deadline.' },
  times: {
    ...object({ applied: count, idle: count }),
    description:
      'With ?wait=: milliseconds until the change was in force in the whole fleet, and until nothing was in flight any more at what it drained.',
  },
  scope: { const: 'local', description: 'Only this instance was changed.' },
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

/** Schemas of the answers, by name; SPEC §4. */
export const answers = {
  Probe: object(
    {
      at: instant,
      ok: flag,
      status: { type: ['integer', 'null'] },
      ms: { type: 'number' },
      error: { type: ['string', 'null'] },
    },
    {
      version: { ...text, description: 'The version that the server reports of itself, with versionHeader.' },
      certificateExpiresAt: { ...instant, description: 'When the certificate of the server expires; with TLS.' },
    },
  ),
  ServerName: object(
    {
      name: { ...text, description: 'Its host name, or that of SRV records.' },
      addresses: { type: 'array', items: text, description: 'The last known ones, at this instance.' },
      problem: {
        type: ['string', 'null'],
        description: 'Why the last lookup has found nothing: the last addresses stay in use.',
      },
    },
    {
      server: { ...text, description: 'The configured server whose name it was found by; absent = it is that one.' },
      vanishedAt: { ...instant, description: 'When DNS ceased to have its address; absent = it has it.' },
    },
  ),
  Server: object(
    {
      name: text,
      service: text,
      pool: text,
      url: text,
      weight: { ...count, description: 'As configured, or as overridden at run time.' },
      state: {
        enum: ['ready', 'drain', 'maint', 'leaving'],
        description: 'Set by commands; leaving: it was removed, and is shown until its requests have ended.',
      },
      health: {
        enum: ['unknown', 'up', 'down', 'ejected'],
        description: 'Found by checks; ejected: up, but requests have failed there.',
      },
      drained: { ...flag, description: 'Taken out, and no request is in flight there in the whole fleet.' },
      inFlight: { ...count, description: 'Requests and tunnels in flight in the whole fleet.' },
      lastProbe: { anyOf: [ref('Probe'), { type: 'null' }] },
    },
    {
      effectiveWeight: { type: 'number', description: 'In slow start: the part of its weight that it has now.' },
      backup: { const: true, description: 'Gets requests only while no other server of its pool is up.' },
      maxConnections: { ...count, description: 'Max requests in flight there, per instance; absent = no limit.' },
      dns: ref('ServerName'),
      inFlightByInstance: {
        type: 'object',
        additionalProperties: count,
        description: 'In flight at each instance, by its name; only in lists of servers.',
      },
    },
  ),
  Pool: object(
    {
      name: text,
      version: text,
      share: { type: 'number', description: 'Percent of the requests.' },
      drained: {
        ...flag,
        description:
          'Gets no requests (neither by a share nor by a policy), and none is in flight there in the whole fleet.',
      },
      inFlight: count,
      up: { ...count, description: 'Servers that take requests; backups only while no other one is up.' },
      servers: listOf('Server'),
    },
    {
      reportedVersions: {
        ...names,
        description:
          'Versions that its servers have reported in the last minute, in responses and health checks; with versionHeader.',
      },
    },
  ),
  Service: object(
    {
      name: text,
      revision: { ...count, description: 'The last revision that changed this service.' },
      hosts: names,
      paths: names,
      split: { ...percents, description: 'Percent of the requests by pool.' },
      mode: { enum: ['serving', 'paused', 'stopped'] },
      pools: listOf('Pool'),
    },
    {
      handover: {
        ...object({
          since: instant,
          until: { ...instant, description: 'When this definition takes over even if its servers are not up.' },
          waitsFor: {
            type: 'array',
            items: object({ service: text, pool: text, server: text, reason: text }),
            description: 'Servers that are not up yet.',
          },
        }),
        description: 'Present while the previous definition serves the requests until the servers of this one are up.',
      },
      deploying: {
        ...object({ id: text, pool: text, by: text, at: instant }),
        description: 'The deploy that waits for its servers to be up; absent = none.',
      },
      rollout: {
        ...object({
          id: text,
          to: text,
          state: text,
          reason: { type: ['string', 'null'] },
          weight: { type: 'number' },
        }),
        description: 'The rollout that runs; absent = none.',
      },
      freeze: {
        ...object({ by: text, at: instant, reason: { type: ['string', 'null'] } }),
        description: 'Its routing stays as it is; absent = it may be changed.',
      },
      ...caveats,
    },
  ),
  Services: object({ revision, services: listOf('Service') }, caveats),
  Servers: object({ revision, servers: listOf('Server') }, caveats),
  Written: object({ ...written, service: { anyOf: [ref('Service'), { type: 'null' }] } }, drained),
  Deployed: object(
    {
      ...written,
      service: { anyOf: [ref('Service'), { type: 'null' }] },
      deploy: object({
        pool: text,
        version: text,
        from: { ...names, description: 'The pools that had the traffic before.' },
        times: {
          ...object({ healthy: milliseconds, applied: milliseconds, idle: milliseconds }),
          description:
            'Milliseconds until all servers were up, from then until the switch was in force in the whole fleet, and until nothing was in flight any more at the old pools; null = not yet, or not known.',
        },
      }),
    },
    { ...drained, missing: { ...missing, description: 'What was not complete when `timeout` ended; the deploy is.' } },
  ),
  RolloutWritten: object({ ...written, rollout: ref('Rollout') }, drained),
  ServersWritten: object({ ...written, servers: listOf('Server') }, { service: ref('Service'), ...drained }),
  Instance: object(
    {
      id: text,
      name: text,
      self: { ...flag, description: 'Whether this is the instance that answers.' },
      live: { ...flag, description: 'Whether it sent a heartbeat within the last three seconds.' },
      address: { ...text, description: 'URL of its admin API for the other instances; empty = they cannot reach it.' },
      version: text,
      appliedRevision: { type: 'integer', description: 'In force in all its workers; -1 = none yet.' },
      startedAt: instant,
      lastSeen: instant,
      configuration: {
        ...object({
          ...file,
          inForce: { ...flag, description: 'Whether it is the file in force in the fleet.' },
          standing: {
            enum: ['inForce', 'newer', 'older', 'differs', 'none'],
            description:
              'Compared with the file in force; differs: the same configVersion with other services; none: no file is in force.',
          },
          problem: { type: ['string', 'null'], description: 'Why it was not applied, or why its last reload failed.' },
        }),
        description: 'The configuration file it has read.',
      },
      cannotFollow: {
        type: 'array',
        items: object({ service: text, problem: text }),
        description: 'Services whose definitions it cannot read, and of which it keeps the last readable one.',
      },
      overrides: listOf('Override'),
      processes: {
        type: 'array',
        items: object(
          {
            role: { enum: ['supervisor', 'control', 'worker'] },
            pid: count,
            appliedRevision: { type: 'integer' },
            inFlight: { ...count, description: 'Requests and tunnels in flight.' },
            connections: { ...count, description: 'Open connections of clients.' },
            cpuPercent: { type: 'number', description: 'Of one core.' },
            memoryBytes: count,
            eventLoopDelayMs: {
              type: 'number',
              description: 'Delay of timers, 99th percentile of the last second.',
            },
          },
          {
            hung: {
              const: true,
              description: 'It does not respond, and is replaced if that continues; absent = it responds.',
            },
          },
        ),
      },
    },
    {
      store: {
        ...health,
        description:
          'Condition of the store as this instance sees it, and what to do; absent = its version does not report it.',
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
  Certificate: object({
    listener: { ...text, description: 'Name of the listener, as in metrics.' },
    source: { enum: ['file', 'acme'], description: 'Whether it comes from files or was ordered.' },
    names: { ...names, description: 'Host names and addresses that it is for.' },
    issuer: text,
    notBefore: instant,
    notAfter: instant,
    fingerprint: { ...text, description: 'SHA-256 of the certificate.' },
    file: { ...text, description: 'Its file; acme:NAME: it was ordered.' },
    keyFile: { ...text, description: 'Empty: it was ordered.' },
    inForceSince: {
      type: ['string', 'null'],
      format: 'date-time',
      description: 'When it was read; null: a previous process of this instance has read it, or it was ordered.',
    },
    error: {
      type: ['string', 'null'],
      description: 'Why the files as they are now cannot be used; null: what they have is in force.',
    },
    failures: { ...count, description: 'Changes of the files after which they could not be used.' },
  }),
  OrderedCertificate: object({
    domain: text,
    listeners: { ...names, description: 'Names of the listeners that have it.' },
    directory: { ...text, description: 'URL of the directory of the ACME server.' },
    challenge: { enum: ['http-01', 'tls-alpn-01'] },
    notAfter: { ...instantOrNull, description: 'null: this server has not issued one yet.' },
    nextRenewal: instantOrNull,
    nextTry: {
      ...instantOrNull,
      description: 'When the next attempt may begin; null: none is needed before the renewal.',
    },
    failures: { ...count, description: 'Attempts in a row that have failed.' },
    error: { type: ['string', 'null'], description: 'Why the last attempt has failed.' },
  }),
  Certificates: object({
    revision,
    certificates: listOf('Certificate'),
    acme: { ...listOf('OrderedCertificate'), description: 'Names whose certificates are ordered from ACME servers.' },
  }),
  CertificatesOrdered: object({
    revision,
    ordering: { ...names, description: 'Names whose certificates are ordered now; see GET /api/certificates.' },
  }),
  InstanceStruck: object(
    {
      revision,
      changed: flag,
      instance: { anyOf: [ref('Instance'), { type: 'null' }], description: 'null: only its id was known.' },
    },
    caveats,
  ),
  Override: object(override),
  Overrides: object({ revision, overrides: listOf('Override') }, { ...stale, ...leftOut }),
  WorkersRestarted: object({
    restarting: { ...flag, description: 'Whether the replacement continues; ?wait= answers when it is complete.' },
  }),
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
  Explanation: object(
    {
      revision,
      request: {
        ...object({ host: text, method: text, path: text, ip: text }),
        description: 'The request that was explained.',
      },
      service: { type: ['string', 'null'], description: 'null: no service answers to it.' },
      pool: {
        type: ['string', 'null'],
        description: 'The pool that gets it; null: the shares decide, or none can take it.',
      },
      steps: {
        type: 'array',
        items: object({
          step: { enum: ['service', 'mode', 'hooks', 'routes', 'split', 'sticky', 'balance'] },
          result: text,
        }),
        description: 'The decision step by step, with the reason of each.',
      },
      pools: {
        type: 'array',
        items: object(
          { name: text, share: { type: 'number' }, gets: { enum: ['all', 'share', 'none'] }, reason: text },
          {
            from: {
              type: 'number',
              description: 'With a split by client: the share in percent from which on this client is here.',
            },
          },
        ),
      },
      servers: {
        type: 'array',
        items: object(
          {
            name: text,
            pool: text,
            url: text,
            weight: count,
            state: { enum: ['ready', 'drain', 'maint'] },
            health: { enum: ['unknown', 'up', 'down', 'ejected'] },
            may: { ...flag, description: 'Whether it may get the request.' },
            reason: text,
            lastProbe: { anyOf: [ref('Probe'), { type: 'null' }] },
          },
          {
            since: {
              ...instant,
              description: 'When checks found its health, or when it was ejected; absent = before this process began.',
            },
            ejectedUntil: { ...instant, description: 'Until when it is ejected; then one request tries it.' },
            dns: ref('ServerName'),
          },
        ),
      },
    },
    caveats,
  ),
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
