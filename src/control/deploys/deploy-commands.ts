import { childPath } from '../../config/problems.ts'
import { type Deploy, type FormerPool, isAsDeployed, poolOf, runningDeploy } from '../../model/deploys.ts'
import { own } from '../../model/names.ts'
import type { Problem, Refusal } from '../../model/refusal.ts'
import { standbyPool, standbyProblem } from '../../model/routing.ts'
import type { JsonObject, Service } from '../../model/state.ts'
import type { CommandMaker } from '../controller.ts'
import { checkDefinition, replaced, resolve, unknownService, withFittingSplit } from '../definitions.ts'

/** A deploy as a caller asks for it. */
export interface WantedDeploy {
  readonly service: string
  /** Absent = that of the deploy to replace, or else the pool without a share, of two. */
  readonly pool?: string
  /** The new definition of the pool, as written. */
  readonly definition: JsonObject
  /** Takes the place of a running deploy. */
  readonly replace: boolean
}

/** Puts the servers of a deploy into its pool. `instance`: id of the instance that carries it out. */
export function beginDeploy(wanted: WantedDeploy, id: string, instance: string): CommandMaker {
  const { service: name, definition: deployed, replace } = wanted
  return (state, { by, idempotency }, facts) => {
    const service = own(state.services, name)
    if (service === undefined) return unknownService(state, name)
    const running = runningDeploy(state, name)
    const pool = wanted.pool ?? (replace && running !== null ? running.pool : standbyPool(service))
    if (pool === null) return invalid([{ path: 'pool', message: standbyProblem(service) }])
    const untouched = running !== null && isAsDeployed(service, running) ? running : null
    const base = untouched === null ? service.source : sourceBefore(service, untouched)
    const checked = checkDefinition(state, name, replaced(base, ['pools', pool], deployed))
    if (!('definition' in checked)) return invalid(checked.problems.map((problem) => inBody(problem, pool)))
    const { definition } = checked
    const former = untouched?.pool === pool ? untouched.former : formerPool(service, base, pool)
    const at = new Date(facts.nowMs).toISOString()
    const key = idempotency === undefined ? {} : { key: idempotency.key }
    const deploy: Deploy = { id, pool, by, at, instance, ...key, definition: deployed, former }
    return { command: { kind: 'beginDeploy', service: name, definition, deploy, replace } }
  }
}

/** Ends a deploy without a switch; restores its pool, unless somebody has changed or used it since. */
export function abandonDeploy(name: string, id: string): CommandMaker {
  return (state) => {
    const deploy = runningDeploy(state, name)
    const service = own(state.services, name)
    const isOurs = service !== undefined && deploy?.id === id && isAsDeployed(service, deploy)
    // Another change may need the pool, such as a route to it; then it stays.
    const definition = isOurs ? (resolve(name, sourceBefore(service, deploy)) ?? null) : null
    return { command: { kind: 'abandonDeploy', service: name, id, definition } }
  }
}

/** The definition of a service as it would be without its deploy. */
function sourceBefore(service: Service, { pool, former }: Deploy): JsonObject {
  const source = replaced(service.source, ['pools', pool], former.definition)
  if (former.definition !== null) return source
  return withFittingSplit(replaced(source, ['split'], former.split), service)
}

/** `source`: the definition of the service before the deploy. */
function formerPool(service: Service, source: JsonObject, pool: string): FormerPool {
  const servers = Object.entries(service.servers).filter(([path]) => path.startsWith(`${pool}/`))
  return { definition: poolOf(source, pool), split: own(source, 'split') ?? null, servers: Object.fromEntries(servers) }
}

/** A problem of the service's definition, with its path in the body of the deploy. */
function inBody({ path, message }: Problem, pool: string): Problem {
  const at = childPath('pools', pool)
  if (path === at) return { path: 'pool', message }
  return { path: path.startsWith(`${at}.`) ? path.slice(at.length + 1) : path, message }
}

function invalid(problems: readonly Problem[]): { readonly refusal: Refusal } {
  return { refusal: { kind: 'invalid', problems } }
}
