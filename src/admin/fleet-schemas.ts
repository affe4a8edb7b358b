import {
  caveats,
  count,
  flag,
  health,
  instant,
  leftOut,
  listOf,
  object,
  override,
  ref,
  revision,
  stale,
  text,
} from './schema-parts.ts'

const file = {
  hash: { ...text, description: 'Hash of its services.' },
  version: { type: ['integer', 'null'], description: 'Its configVersion.' },
}

/** The answers of the routes of instances and of what one of them overrides. */
export const fleetAnswers = {
  Caller: object({
    name: { ...text, description: 'Name of the token, as in the history; local if there are no tokens.' },
    role: {
      enum: ['read', 'operate', 'admin'],
      description: 'read: it may look; operate: and change services and servers; admin: and instances and workers.',
    },
    instance: { ...text, description: 'Name of the instance that answers.' },
    version: text,
  }),
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
}
