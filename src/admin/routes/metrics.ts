import type { FastifyInstance } from 'fastify'
import { isUsable } from '../../control/readiness.ts'
import { onDuty } from '../../model/backups.ts'
import { type Server, serversOf } from '../../model/servers.ts'
import { shareOf } from '../../model/split.ts'
import { currentSplit, type Service } from '../../model/state.ts'
import { takesChanges } from '../../store/store.ts'
import { Exposition } from '../../telemetry/prometheus.ts'
import type { AdminContext } from '../context.ts'
import type { EventReaders } from '../events/event-readers.ts'
import type { Gate } from '../gate.ts'
import { describe } from '../openapi.ts'

/** Metrics for Prometheus, of this instance with all its workers. */
export function metricsRoutes(api: FastifyInstance, context: AdminContext, gate: Gate, readers: EventReaders): void {
  const { control, proxies, self, fleet, store } = context
  const exposition = new Exposition(async () => {
    const load = await control.proxies.collect()
    const report = { ...load, ...control.counts() }
    const { revision, services } = control.state
    const all = Object.values(services)
    return {
      report,
      version: context.version,
      versions: all.flatMap(({ name, spec }) =>
        spec.versionHeader === ''
          ? []
          : Object.entries(spec.pools).map(([pool, { version }]) => ({
              service: name,
              pool,
              isMismatch: control.appVersions.reportedBy(name, pool).some((each) => each !== version),
            })),
      ),
      revision,
      applied: [
        { instance: self.name, revision: control.applied()?.revision ?? -1 },
        ...fleet.live().map((member) => ({
          instance: control.convergence.nameOf(member),
          revision: member.record.applied?.revision ?? -1,
        })),
      ],
      applyLagMs: control.lagMs,
      storeUp: store.status().up,
      storeWritable: takesChanges(store),
      storeCounts: store.counts(),
      admin: {
        listeners: gate.connections.counts,
        refusedConnections: gate.connections.refused,
        wrongTokens: gate.wrongTokens.total,
      },
      events: {
        readers: readers.count,
        readersCut: readers.cut,
        dropped: store.events.dropped,
        webhooks: context.webhooks.figures,
      },
      rollouts: context.rollouts.figures(),
      overrides: control.controller.overrides.length,
      handovers: control.handoversPending,
      services: all.map(({ name, mode, spec }) => ({
        name,
        pools: Object.keys(spec.pools),
        mode: mode?.kind ?? 'serving',
      })),
      lookups: control.names.lookups(),
      processes: proxies.processes(control),
      workerRestarts: proxies.restarts,
      handshakes: control.proxies.handshakes,
      certificates: context.tls.certificates.standings().map(({ listener, file, facts, error, failures }) => ({
        listener,
        file,
        notAfterMs: facts.notAfterMs,
        isRefused: error !== null,
        failures,
      })),
      acme: {
        counts: context.tls.orders.figures,
        names: context.tls.orders.standings().map(({ domain, failures }) => ({ domain, failures })),
      },
      accessLogDropped: control.proxies.accessLogDropped,
      traceSpansDropped: control.proxies.traceSpansDropped,
      pools: all.flatMap((service) =>
        Object.entries(service.spec.pools).map(([pool, { version }]) => ({
          service: service.name,
          pool,
          version,
          percent: shareOf(currentSplit(service), pool) / 100,
        })),
      ),
      backups: all.flatMap((service) =>
        Object.keys(service.spec.pools).flatMap((pool) => {
          const servers = serversOf(service, pool)
          if (!servers.some(({ backup }) => backup)) return []
          const takingRequests = onDuty(servers.filter((server) => isUsable(control, server)))
          return [{ service: service.name, pool, inUse: takingRequests.some(({ backup }) => backup) }]
        }),
      ),
      servers: all.flatMap((service) =>
        thereIn(service).map(({ pool, name, state, weight, key }) => ({
          service: service.name,
          pool,
          server: name,
          state,
          weight: weight * control.weightShare(key),
          up: control.health(key).health === 'up',
          ejected: control.health(key).health === 'ejected',
          probeMs: control.health(key).last?.ms ?? null,
          certificateExpiresAtMs: timeOf(control.health(key).last?.certificateExpiresAt),
          inFlight: report.inFlight[key] ?? 0,
        })),
      ),
    }
  })

  api.get(
    '/metrics',
    { schema: describe({ tag: 'instance', summary: 'Prometheus metrics' }) },
    async (_request, reply) => {
      reply.type(exposition.contentType)
      return exposition.text()
    },
  )
}

/** Milliseconds since the epoch; null = there is no time. */
function timeOf(text: string | undefined): number | null {
  return text === undefined ? null : Date.parse(text)
}

/** The servers of a service, without those that DNS does not have: they may be down, and nobody has to mind. */
function thereIn(service: Service): readonly Server[] {
  return serversOf(service).filter(({ closed }) => closed === undefined)
}
