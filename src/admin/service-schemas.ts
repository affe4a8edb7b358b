import {
  caveats,
  count,
  drained,
  flag,
  instant,
  listOf,
  missing,
  names,
  object,
  ref,
  revision,
  text,
  written,
} from './schema-parts.ts'

const percents = { type: 'object', additionalProperties: { type: 'number', minimum: 0, maximum: 100 } }
const milliseconds = { type: ['integer', 'null'], minimum: 0 }

const cutAt = { ...instant, description: 'When its requests in flight are cut; absent = never, or none are left.' }

/** The answers of the routes of services, pools and servers. */
export const serviceAnswers = {
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
      cutAt,
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
      cutAt,
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
}
