import { computed, signal } from '@preact/signals'
import {
  ApiError,
  type Instance,
  NoAnswerError,
  type SeenEvent,
  type Service,
  type ServiceStats,
  type Services,
} from '../../../src/client/create-client.ts'
import { route } from '../route.ts'
import { again } from './again.ts'
import { client, noteRefusedToken, tokenProblem } from './session.ts'

/** Number of events that the page keeps. */
const MAX_EVENTS = 500
/** Services that are read one by one after events; more are read together. */
const MAX_SINGLE = 4
/** Min time from one reading of the state to the next, ms. */
const STATE_MS = 300
const STATS_MS = 2_000
/** Time for which events are gathered before they are shown, ms. */
const SHOW_MS = 400
/** Pause after a failed reading, ms. */
const RETRY_MS = 2_000

export const services = signal<ReadonlyMap<string, Service> | null>(null)
/** What holds for the whole state: whether the store is away, overrides, and instances out of touch. */
export const caveats = signal<Pick<Services, 'stale' | 'overrides' | 'leftOut'>>({})
/** Figures of the last ten seconds, by service. */
export const stats = signal<ReadonlyMap<string, ServiceStats>>(new Map())
export const instances = signal<readonly Instance[]>([])
/** Newest first. */
export const events = signal<readonly SeenEvent[]>([])

interface Trouble {
  readonly text: string
  /** ms since the epoch. */
  readonly since: number
}

/** Readings that fail, by name. */
const failing = signal<Readonly<Record<string, Trouble>>>({})
/** Why the page is not up to date, and since when; null = it is. */
export const trouble = computed((): Trouble | null => {
  const all = Object.values(failing.value)
  return all.toSorted((a, b) => a.since - b.since)[0] ?? null
})

export const liveInstances = computed(() => instances.value.filter(({ live }) => live))

const dirty = new Set<string>()
const taken: SeenEvent[] = []
let isAllDirty = true

const state = again(readState, { everyMs: null, minMs: STATE_MS })
const figures = again(readStats, { everyMs: STATS_MS, minMs: STATS_MS })
const fleet = again(readInstances, { everyMs: null, minMs: STATE_MS })

/** Reads the state and follows the events for as long as the page is open. */
export function start(): void {
  void follow()
  for (const reading of [state, figures, fleet]) reading.now()
  // Another view needs other figures.
  route.subscribe(() => figures.now())
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'visible') for (const reading of [state, figures, fleet]) reading.now()
  })
}

/** Has a service read again, or all, since something was changed. */
export function refresh(service?: string): void {
  if (service === undefined) isAllDirty = true
  else dirty.add(service)
  state.now()
}

/** Has the instances read again: which revisions they have in force, and how they are. */
export function refreshFleet(): void {
  fleet.now()
}

async function follow(): Promise<void> {
  for (;;) {
    try {
      for await (const event of client.value.events()) take(event)
    } catch (error) {
      if (noteRefusedToken(error)) return
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
    }
    refresh()
    refreshFleet()
  }
}

function take(event: SeenEvent): void {
  if (taken.push(event) === 1) setTimeout(showTaken, SHOW_MS)
  refresh('service' in event ? (event.service ?? undefined) : undefined)
  refreshFleet()
}

/** Many events at a time are shown together. */
function showTaken(): void {
  events.value = [...taken.splice(0).reverse(), ...events.value].slice(0, MAX_EVENTS)
}

async function readState(): Promise<boolean> {
  const names = [...dirty]
  dirty.clear()
  const readsAll = isAllDirty || services.value === null || names.length > MAX_SINGLE
  isAllDirty = false
  const isRead = await attempt('state', async () => {
    if (readsAll) {
      const { services: all, revision: _, ...rest } = await client.value.services.list()
      services.value = new Map(all.map((service) => [service.name, service]))
      caveats.value = rest
      return
    }
    const read = await Promise.all(names.map((name) => client.value.services.get(name)))
    services.value = new Map([...(services.value ?? []), ...read.map((service) => [service.name, service] as const)])
  })
  // One of them may be gone.
  if (!isRead) isAllDirty = true
  return isRead
}

function readStats(): Promise<boolean> {
  return attempt('figures', async () => {
    const { value: shown } = route
    // The figures of all services are a megabyte where there are a thousand.
    const isOfOne = 'service' in shown && shown.service !== null && services.value?.has(shown.service)
    const only = isOfOne ? { service: shown.service as string } : {}
    const { services: all } = await client.value.stats({ window: '10s', ...only })
    const figures = all.map((each) => [each.name, each] as const)
    stats.value = new Map('service' in only ? [...stats.value, ...figures] : figures)
  })
}

function readInstances(): Promise<boolean> {
  return attempt('instances', async () => {
    instances.value = (await client.value.instances.list()).instances
  })
}

/** Reads something, unless a token is asked for. `name`: that of the reading. Returns whether it has succeeded. */
async function attempt(name: string, read: () => Promise<void>): Promise<boolean> {
  // The page is loaded again with the token.
  if (tokenProblem.value !== null) return true
  try {
    await read()
    reportSuccess(name)
    return true
  } catch (error) {
    if (noteRefusedToken(error)) return true
    // A service that is gone is no trouble.
    if (error instanceof ApiError && error.status === 404) reportSuccess(name)
    else reportTrouble(name, error)
    return false
  }
}

/** Says at the top of the page why it is not up to date. `name`: that of the reading that has failed. */
export function reportTrouble(name: string, error: unknown): void {
  const text = error instanceof ApiError ? `${error.title}: ${error.detail}` : textOf(error)
  failing.value = { ...failing.value, [name]: { text, since: failing.value[name]?.since ?? Date.now() } }
}

/** Takes back what was reported of a reading. */
export function reportSuccess(name: string): void {
  if (!(name in failing.value)) return
  const { [name]: _, ...others } = failing.value
  failing.value = others
}

function textOf(error: unknown): string {
  return error instanceof NoAnswerError ? 'This instance does not answer.' : `The page has failed: ${error}.`
}
