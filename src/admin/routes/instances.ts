import type { FastifyInstance } from 'fastify'
import type { Member } from '../../control/fleet/fleet.ts'
import type { FileVersion, InstanceRecord } from '../../model/fleet.ts'
import type { AdminContext } from '../context.ts'
import { describe } from '../openapi.ts'
import { instanceOf } from './hand-over.ts'

interface InstanceView
  extends Omit<
    InstanceRecord,
    'boot' | 'host' | 'sequence' | 'applied' | 'busy' | 'cut' | 'inFlight' | 'configuration'
  > {
  /** The one that answers. */
  readonly self: boolean
  readonly live: boolean
  readonly appliedRevision: number
  readonly lastSeen: string
  /** The file it has read, and whether that is the one in force in the fleet. */
  readonly configuration: FileVersion & { readonly inForce: boolean }
}

/** The fleet, as this instance knows it. */
export function instanceRoutes(api: FastifyInstance, context: AdminContext): void {
  const { control, fleet, self } = context

  const inForce = (): FileVersion | null => {
    const { configuration } = control.state
    return configuration === null ? null : { hash: configuration.hash, version: configuration.version ?? null }
  }

  const view = (record: InstanceRecord, rest: Pick<InstanceView, 'self' | 'live' | 'lastSeen'>): InstanceView => {
    const { id, name, address, version, startedAt, configuration, overrides, processes, applied } = record
    const file = { ...configuration, inForce: configuration.hash === inForce()?.hash }
    const appliedRevision = applied?.revision ?? -1
    return {
      id,
      name,
      ...rest,
      address,
      version,
      appliedRevision,
      startedAt,
      configuration: file,
      overrides,
      processes,
    }
  }

  const own = async (): Promise<InstanceView> => {
    await control.collect()
    return view(self.record(), { self: true, live: true, lastSeen: new Date().toISOString() })
  }

  const other = ({ record, live, lastSeen }: Member): InstanceView =>
    view(record, { self: false, live, lastSeen: lastSeen.toISOString() })

  api.get(
    '/api/instances',
    {
      schema: describe({
        tag: 'instance',
        summary: 'The fleet: who lives, and what each has in force',
        answer: 'Instances',
      }),
    },
    async (_request, reply) => {
      const { revision } = control.state
      reply.header('etag', `"${revision}"`)
      const others = fleet.others().map(other)
      const byName = (a: InstanceView, b: InstanceView) => a.name.localeCompare(b.name) || a.id.localeCompare(b.id)
      return { revision, configuration: inForce(), instances: [await own(), ...others.sort(byName)] }
    },
  )

  api.get<{ Params: { id: string } }>(
    '/api/instances/:id',
    { schema: describe({ tag: 'instance', summary: 'One instance of the fleet, by id or name', answer: 'Instance' }) },
    async (request, reply) => {
      reply.header('etag', `"${control.state.revision}"`)
      const found = instanceOf(context, request.params.id)
      return found === 'self' ? own() : other(found)
    },
  )
}
