import type { Command, Definition, Facts } from './commands.ts'
import { differences, redefined } from './definitions.ts'
import { DEPLOYS, type Deploy, isAsDeployed, runningDeploy } from './deploys.ts'
import { findDocument, putDocument, removeDocument } from './document-kind.ts'
import type { Draft } from './draft.ts'
import { own } from './names.ts'
import type { Refusal } from './refusal.ts'
import { switchTo } from './routing.ts'
import { getsRequests, isOpen, runtimeOf, serversOf } from './servers.ts'
import { isFields } from './shape.ts'
import { shareOf } from './split.ts'
import type { ServerRuntime, Service, State } from './state.ts'
import { currentSplit } from './state.ts'

/** Puts the servers of a deploy into its pool; restores the pool of the deploy that it replaces, if that is another one. */
export function beginDeploy(
  state: State,
  service: Service,
  { definition, deploy, replace }: Extract<Command, { kind: 'beginDeploy' }>,
): Draft {
  const refusal = runningRefusal(state, service, replace) ?? poolRefusal(service, deploy)
  if (refusal !== null) return refusal
  const replaced = runningDeploy(state, service.name)
  const isElsewhere = replaced !== null && replaced.pool !== deploy.pool && isAsDeployed(service, replaced)
  const after = withRuntime(redefined(service, definition), isElsewhere ? replaced.former.servers : {})
  const unsafe = brokenPromise(after, deploy.pool)
  return {
    edits: [{ before: service, after, service: service.name, action: 'begin deploy', ...written(service, after) }],
    collections: putDocument(DEPLOYS, service.name, deploy, state.revision + 1),
    ...(unsafe === null ? {} : { unsafe }),
  }
}

function runningRefusal(state: State, { name }: Service, replace: boolean): Refusal | null {
  const running = findDocument(DEPLOYS, state, name)
  if (running === 'unreadable')
    return conflict(`A deploy of ${name} that a newer version began has not ended yet; wait until it has.`)
  if (running === null || replace) return null
  const { by, at, pool } = running.value
  const how = 'Wait until it has ended, or send {"replace": true} to end it and deploy this instead.'
  return conflict(`${by} has been deploying ${name} to pool ${pool} since ${at}. ${how}`)
}

function poolRefusal(service: Service, { pool, definition }: Deploy): Refusal | null {
  const share = shareOf(currentSplit(service), pool) / 100
  if (share > 0)
    return conflict(`Pool ${pool} has ${share} % of the traffic of ${service.name}; deploy to a pool without a share.`)
  const names = isFields(definition.servers) ? Object.keys(definition.servers) : []
  const closed = names.find((name) => runtimeOf(service, pool, name).state !== 'ready')
  if (closed === undefined) return null
  return conflict(
    `Server ${closed} of pool ${pool} is in ${runtimeOf(service, pool, closed).state}, so it would get no requests; enable it first: ` +
      `POST /api/servers/${closed}/enable?service=${service.name}&pool=${pool}`,
  )
}

/** Describes the promise that a deploy would break, now or when it switches; null = none. */
function brokenPromise(after: Service, pool: string): string | null {
  if (getsRequests(after, pool))
    return `A route sends requests to pool ${pool}: they would reach the new servers before these are known to be up.`
  const { minReady } = after.spec
  const usable = serversOf(after, pool).filter(isOpen).length
  if (usable >= minReady) return null
  return `Pool ${pool} would have ${usable} of the servers that minReady asks for (${minReady}).`
}

/** Switches to the pool of a deploy, which ends it. `drainMs`: as in `switchTo`. */
export function finishDeploy(
  state: State,
  service: Service,
  id: string,
  drainMs: number | undefined,
  facts: Facts,
): Draft {
  const deploy = runningDeploy(state, service.name)
  if (deploy?.id !== id) return ended(service.name)
  if (!isAsDeployed(service, deploy))
    return conflict(`Another request has changed pool ${deploy.pool} of ${service.name} since the deploy began.`)
  const draft = switchTo(service, deploy.pool, drainMs, facts)
  if ('kind' in draft) return draft
  return {
    edits: draft.edits.map((edit) => ({ ...edit, action: 'finish deploy' })),
    collections: removeDocument(DEPLOYS, service.name),
  }
}

/**
 * Ends a deploy without a switch. `definition`: the service with the former pool; null = the pool stays, since somebody has
 * changed or used it. `service` is undefined if it was removed.
 */
export function abandonDeploy(
  state: State,
  name: string,
  service: Service | undefined,
  id: string,
  definition: Definition | null,
): Draft {
  const deploy = runningDeploy(state, name)
  if (deploy?.id !== id) return ended(name)
  const collections = removeDocument(DEPLOYS, name)
  if (service === undefined) return { edits: [], collections }
  const after = definition === null ? service : withRuntime(redefined(service, definition), deploy.former.servers)
  const edit = { before: service, after, service: name, action: 'abandon deploy', ...written(service, after) }
  return { edits: [edit], collections }
}

function written(before: Service, after: Service): ReturnType<typeof differences> {
  return differences(before.source, after.source)
}

/** The service with former runtime settings of servers that exist. */
function withRuntime(service: Service, servers: Readonly<Record<string, ServerRuntime>>): Service {
  const known = serversOf(service).map(({ pool, name }) => `${pool}/${name}`)
  const restored = known.flatMap((path): [string, ServerRuntime][] => {
    const runtime = own(servers, path)
    return runtime === undefined ? [] : [[path, runtime]]
  })
  return { ...service, servers: { ...service.servers, ...Object.fromEntries(restored) } }
}

function ended(service: string): Refusal {
  return conflict(`This deploy of ${service} has ended.`)
}

function conflict(detail: string): Refusal {
  return { kind: 'conflict', detail }
}
