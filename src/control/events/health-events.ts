import type { EventDraft, EventRecord } from '../../model/event-record.ts'
import { eventRecord } from '../../model/events.ts'
import { serversOf } from '../../model/servers.ts'
import type { Health, State } from '../../model/state.ts'
import type { EventLog } from '../../store/event-log.ts'
import type { ServerHealth } from '../health-book.ts'

/** Events at once, and events a second after that, of one instance: thousands of servers may come and go together. */
const BURST = 500
const PER_SECOND = 20

interface HealthEventsOptions {
  readonly log: EventLog
  /** Name of this instance. */
  readonly instance: string
  readonly state: () => State
  /** The health of a server, by key. */
  readonly healthOf: (key: string) => ServerHealth
  /** The clock of the store. */
  readonly nowMs: () => number
  /** Monotonic clock, ms. */
  readonly now?: () => number
}

/** Logs what this instance finds of the health of servers: that one is down, and that it is up again. */
export class HealthEvents {
  private readonly options: HealthEventsOptions
  private readonly now: () => number
  /** The health of each server that was last looked at, by key. */
  private readonly known = new Map<string, Health>()
  private allowance = BURST
  private allowedAt: number
  /** Events left out since the last one. */
  private leftOut = 0
  private timer: NodeJS.Timeout | undefined

  constructor(options: HealthEventsOptions) {
    this.options = options
    this.now = options.now ?? (() => performance.now())
    this.allowedAt = this.now()
  }

  /** Logs the changes of health of these servers. */
  changed(keys: Iterable<string>): void {
    const drafts: EventDraft[] = []
    for (const key of keys) {
      const { health, last } = this.options.healthOf(key)
      const before = this.known.get(key) ?? 'unknown'
      this.known.set(key, health)
      // That a server is up when it is looked at for the first time is nothing that has happened to it.
      if (before === health || health === 'unknown' || (before === 'unknown' && health === 'up')) continue
      const type = health === 'ejected' || before === 'ejected' ? 'ejection' : 'health'
      if (this.isAllowed())
        drafts.push(this.draft({ type, ...placeOf(key), before, after: health, reason: last?.error ?? null }))
    }
    if (drafts.length > 0) this.options.log.append(drafts)
  }

  /** Forgets servers that are gone. */
  forget(): void {
    const current = new Set(
      Object.values(this.options.state().services)
        .flatMap((each) => serversOf(each))
        .map(({ key }) => key),
    )
    if (this.known.size <= 2 * current.size) return
    for (const key of this.known.keys()) if (!current.has(key)) this.known.delete(key)
  }

  stop(): void {
    clearTimeout(this.timer)
  }

  private isAllowed(): boolean {
    const now = this.now()
    this.allowance = Math.min(BURST, this.allowance + ((now - this.allowedAt) * PER_SECOND) / 1_000)
    this.allowedAt = now
    if (this.allowance >= 1) {
      this.allowance -= 1
      return true
    }
    this.leftOut += 1
    this.timer ??= setTimeout(() => this.tellLeftOut(), 1_000).unref()
    return false
  }

  private tellLeftOut(): void {
    const reason = `${this.leftOut} more changes of health were left out: there were too many at once`
    this.leftOut = 0
    this.timer = undefined
    this.options.log.append([this.draft({ type: 'health', reason })])
  }

  private draft(given: Pick<EventRecord, 'type'> & Partial<EventRecord>): EventDraft {
    const { instance, nowMs } = this.options
    return { event: eventRecord({ at: new Date(nowMs()).toISOString(), instance, ...given }) }
  }
}

const KEY = /^([^/]+)\/([^/]+)\/([^=]+)=/s

/** Service, pool and server of a target key. */
function placeOf(key: string): Pick<EventRecord, 'service' | 'pool' | 'server'> {
  const [, service = null, pool = null, server = null] = KEY.exec(key) ?? []
  return { service, pool, server }
}
