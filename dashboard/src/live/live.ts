import { computed, signal } from '@preact/signals'
import {
  ApiError,
  type Instance,
  type SeenEvent,
  type Service,
  type ServiceStats,
  type Services,
} from '../../../src/client/create-client.ts'
import { route } from '../route.ts'
import { again } from './again.ts'
import { client, isTokenRefused } from './session.ts'

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
/** Why the page is not up to date, and since when, ms since the epoch; null = it is. */
export const trouble = signal<{ readonly text: string; readonly since: number } | null>(null)

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
      if (isTokenRefused(error)) return
      say(error)
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
    }
    refresh()
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

async function readState(): Promise<void> {
  const names = [...dirty]
  dirty.clear()
  const readsAll = isAllDirty || services.value === null || names.length > MAX_SINGLE
  isAllDirty = false
  await attempt(
    async () => {
      if (readsAll) {
        const { services: all, revision: _, ...rest } = await client.value.services.list()
        services.value = new Map(all.map((service) => [service.name, service]))
        caveats.value = rest
        return
      }
      const read = await Promise.all(names.map((name) => client.value.services.get(name)))
      services.value = new Map([...(services.value ?? []), ...read.map((service) => [service.name, service] as const)])
    },
    () => {
      // One of them may be gone.
      isAllDirty = true
      setTimeout(state.now, RETRY_MS)
    },
  )
}

async function readStats(): Promise<void> {
  await attempt(async () => {
    const { value: shown } = route
    // The figures of all services are a megabyte where there are a thousand.
    const isOfOne = 'service' in shown && shown.service !== null && services.value?.has(shown.service)
    const only = isOfOne ? { service: shown.service as string } : {}
    const { services: all } = await client.value.stats({ window: '10s', ...only })
    const figures = all.map((each) => [each.name, each] as const)
    stats.value = new Map('service' in only ? [...stats.value, ...figures] : figures)
  })
}

async function readInstances(): Promise<void> {
  await attempt(async () => {
    instances.value = (await client.value.instances.list()).instances
  })
}

async function attempt(read: () => Promise<void>, onFailure = (): void => {}): Promise<void> {
  try {
    await read()
    trouble.value = null
  } catch (error) {
    if (isTokenRefused(error)) return
    // A service that is gone is no trouble.
    if (!(error instanceof ApiError) || error.status !== 404) say(error)
    onFailure()
  }
}

/** Says at the top of the page why it is not up to date. */
export function say(error: unknown): void {
  const text = error instanceof ApiError ? `${error.title}: ${error.detail}` : 'This instance does not answer.'
  trouble.value = { text, since: trouble.value?.since ?? Date.now() }
}
