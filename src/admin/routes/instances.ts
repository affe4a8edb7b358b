import type { FastifyInstance } from 'fastify'
import { quote } from '../../config/problems.ts'
import * as kind from '../../config/schema/kinds.ts'
import type { Member } from '../../control/fleet/members.ts'
import type { FileVersion, InstanceRecord } from '../../model/fleet.ts'
import type { AdminContext } from '../context.ts'
import { standingOf } from '../files.ts'
import { commandMembers, readBody, readInput, WriteQuery } from '../input.ts'
import { describe } from '../openapi.ts'
import { ApiProblem, unknownProblem } from '../problems.ts'
import { instanceOf } from './hand-over.ts'

const StrikeBody = kind.section({ reason: commandMembers.reason }, {})
const StrikeQuery = kind.section({ reason: WriteQuery.properties.reason }, {})

interface FileView extends FileVersion {
  readonly inForce: boolean
  readonly standing: ReturnType<typeof standingOf>
  readonly problem: string | null
}

interface InstanceView
  extends Omit<
    InstanceRecord,
    | 'boot'
    | 'host'
    | 'sequence'
    | 'applied'
    | 'appliedInPart'
    | 'busy'
    | 'cut'
    | 'inFlight'
    | 'queued'
    | 'held'
    | 'configuration'
    | 'cannotFollow'
  > {
  /** Whether this is the instance that answers. */
  readonly self: boolean
  readonly live: boolean
  readonly appliedRevision: number
  readonly lastSeen: string
  /** The configuration file that it has read, and whether that is the one in force in the fleet. */
  readonly configuration: FileView
  readonly cannotFollow: readonly { readonly service: string; readonly problem: string }[]
}

/** The instances of the fleet, as this instance knows them. */
export function instanceRoutes(api: FastifyInstance, context: AdminContext): void {
  const { control, fleet, self, store } = context

  const inForce = (): FileVersion | null => {
    const { configuration } = control.state
    return configuration === null ? null : { hash: configuration.hash, version: configuration.version ?? null }
  }

  const view = (record: InstanceRecord, rest: Pick<InstanceView, 'self' | 'live' | 'lastSeen'>): InstanceView => {
    const {
      id,
      name,
      address,
      version,
      startedAt,
      configuration,
      overrides,
      store,
      processes,
      applied,
      cannotFollow = {},
    } = record
    const { hash, version: number = null, problem = null } = configuration
    const standing = standingOf(context, { hash, version: number })
    const file = { hash, version: number, inForce: hash === inForce()?.hash, standing, problem }
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
      cannotFollow: Object.entries(cannotFollow).map(([service, { problem }]) => ({ service, problem })),
      overrides,
      ...(store === undefined ? {} : { store }),
      processes,
    }
  }

  const own = async (): Promise<InstanceView> => {
    await control.proxies.collect()
    return view(self.record(), { self: true, live: true, lastSeen: new Date(store.nowMs()).toISOString() })
  }

  const other = (member: Member): InstanceView =>
    view(member.record, { self: false, live: member.live, lastSeen: fleet.lastSeen(member).toISOString() })

  api.get(
    '/api/instances',
    {
      schema: describe({
        tag: 'instance',
        summary: 'The instances of the fleet, and what each has in force',
        answer: 'Instances',
      }),
    },
    async (_request, reply) => {
      await fleet.readLoads()
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
      await fleet.readLoads()
      reply.header('etag', `"${control.state.revision}"`)
      const found = instanceOf(context, request.params.id)
      return found === 'self' ? own() : other(found)
    },
  )

  api.delete<{ Params: { id: string } }>(
    '/api/instances/:id',
    {
      schema: describe({
        tag: 'instance',
        summary: 'Strike off an instance that is gone for good, by id or name: leftOut no longer names it',
        query: StrikeQuery,
        body: StrikeBody,
        answer: 'InstanceStruck',
      }),
    },
    async (request, reply) => {
      const { reason } = readBody(StrikeBody, request)
      const { reason: inQuery } = readInput(StrikeQuery, request.query)
      const id = goneInstance(context, request.params.id)
      const member = fleet.others().find(({ record }) => record.id === id)
      if ((await fleet.strike(id, request.actor.name, reason || inQuery || null)) === 'alive') throw isAlive(id)
      const { revision } = control.state
      reply.header('etag', `"${revision}"`)
      return { revision, changed: true, instance: member === undefined ? null : other(member) }
    },
  )
}

/** Finds the id of an instance that is gone, by id, or by name if only one has it. Throws 404 and 409. */
function goneInstance({ fleet, self }: AdminContext, wanted: string): string {
  const others = fleet.others().map(({ record, live }) => ({ id: record.id, name: record.name, live }))
  const unreadable = fleet.unreadable().map(({ id, live }) => ({ id, name: id, live }))
  const all = [{ id: self.id, name: self.name, live: true }, ...others, ...unreadable]
  const byId = all.filter(({ id }) => id === wanted)
  const meant = byId.length > 0 ? byId : all.filter(({ name }) => name === wanted)
  const gone = meant.filter(({ live }) => !live)
  const [only, ...more] = gone
  if (only !== undefined && more.length === 0) return only.id
  if (only !== undefined) {
    const detail = `${gone.length} instances that are gone have the name ${quote(wanted)}; strike them off by id, see GET /api/instances.`
    throw new ApiProblem(409, 'Ambiguous name', detail)
  }
  if (meant.length > 0) throw isAlive(wanted)
  throw unknownProblem('instance', wanted, [...new Set(all.flatMap(({ id, name }) => [name, id]))])
}

function isAlive(wanted: string): ApiProblem {
  const detail =
    `${wanted} is alive, or sent a heartbeat less than three seconds ago: commands wait for it, so it cannot be struck off. ` +
    'Stop it first: with SIGTERM it deregisters by itself. GET /api/instances lists the instances.'
  return new ApiProblem(409, 'Instance alive', detail)
}
