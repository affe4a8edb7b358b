import { createHash } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import type { Logger } from 'pino'
import { Agent } from 'undici'
import type { WebhookSettings } from '../../config/config.ts'
import { eventFilter } from '../../model/event-filter.ts'
import { eventArrival } from '../../store/event-arrival.ts'
import type { EventLog } from '../../store/event-log.ts'
import { StoreUnavailable } from '../../store/store.ts'
import { type CallOutcome, callWebhook, type WebhookMessage } from './webhook-call.ts'

/** Shortest and longest pause between two calls for one event, ms. */
const BACK_OFF_MS = { min: 500, max: 60_000 }
const CONNECT_MS = 5_000
/** Time after which a position that moved without a delivery is kept, ms. */
const SAVE_MS = 2_000
const BATCH = 100

/** Figures of a webhook, since the start of this process. */
export interface WebhookFigures {
  /** Where it is, without its path. */
  readonly webhook: string
  readonly delivered: number
  readonly refused: number
  readonly failed: number
  /** Events that it was not sent since it had not taken those before, and the log has dropped them. */
  readonly dropped: number
  /** Events that wait for it, those of other types included. */
  readonly backlog: number
}

/**
 * Sends the events of the log to one webhook, in order, each until it is taken. Nothing is held in memory: the backlog is
 * the log, and the position in it is kept in the store, so that the next sender goes on there.
 */
export class WebhookSender {
  readonly #settings: WebhookSettings
  readonly #label: string
  readonly #events: EventLog
  readonly #log: Logger
  readonly #fits: ReturnType<typeof eventFilter>
  /** Name of the position in the store. */
  readonly #name: string
  readonly #counts = { delivered: 0, refused: 0, failed: 0, dropped: 0 }
  #position: string | null = null
  /** Number of events of the log up to the position, while it is in the log. */
  #taken = 0
  /** When the position was last kept in the store, monotonic ms. */
  #savedAt = 0
  #isFailing = false

  /** `label`: the webhook in logs and metrics. */
  constructor(settings: WebhookSettings, label: string, events: EventLog, log: Logger) {
    this.#settings = settings
    this.#label = label
    this.#events = events
    this.#log = log
    this.#fits = eventFilter(settings.types)
    this.#name = createHash('sha256').update(settings.url).digest('hex').slice(0, 32)
  }

  get figures(): WebhookFigures {
    const backlog = this.#position === null ? 0 : this.#events.kept.countAfter(this.#position)
    return { webhook: this.#label, ...this.#counts, backlog }
  }

  /**
   * Sends until `stopped` is aborted. `epoch`: that of the lease. Returns early if another instance sends in a later one.
   */
  async run(epoch: number, stopped: AbortSignal): Promise<void> {
    const dispatcher = new Agent({ connections: 1, pipelining: 1, connect: { timeout: CONNECT_MS } })
    try {
      await this.#events.whenLoaded()
      await this.#begin(epoch, stopped)
      while (!stopped.aborted && (await this.#sendNext(epoch, dispatcher, stopped))) {}
    } catch (error) {
      if (!stopped.aborted) throw error
    } finally {
      this.#position = null
      await dispatcher.destroy().catch(() => undefined)
    }
  }

  /** Takes the position from the store; a new webhook begins now. */
  async #begin(epoch: number, stopped: AbortSignal): Promise<void> {
    const known = await this.#whileAway(stopped, () => this.#events.cursor(this.#name))
    // The instance that sent until now may have known later events than this one does.
    if (known !== null) await eventArrival(this.#events, known, { stopped })
    this.#position = known ?? this.#events.kept.newest
    if (known === null) await this.#save(epoch, stopped)
  }

  /** Sends the next events, or waits for some. Returns whether to go on. */
  async #sendNext(epoch: number, dispatcher: Agent, stopped: AbortSignal): Promise<boolean> {
    const { kept } = this.#events
    const position = this.#position ?? kept.newest
    if (!kept.isKnown(position)) await this.#sendGap(position, dispatcher, stopped)
    else this.#taken = kept.countTo(position)
    const next = kept.after(this.#position ?? position, BATCH)
    for (const { id, event } of next) {
      const isSent = this.#fits(event)
      if (isSent) {
        const body = JSON.stringify({ id, ...event })
        await this.#deliver({ id, type: event.type, body }, dispatcher, stopped)
      }
      this.#position = id
      this.#taken += 1
      if (isSent && !(await this.#save(epoch, stopped))) return false
      // What was dropped meanwhile is no longer in the log.
      if (kept.hasPassed(id)) break
    }
    if (next.length === 0) await this.#more(stopped)
    return performance.now() - this.#savedAt < SAVE_MS || this.#save(epoch, stopped)
  }

  async #sendGap(after: string, dispatcher: Agent, stopped: AbortSignal): Promise<void> {
    const { kept } = this.#events
    const next = kept.nearest(after)
    // At least one: those from before this process are not known.
    this.#counts.dropped += Math.max(1, kept.dropped - this.#taken)
    this.#log.warn({ webhook: this.#label }, 'a webhook was behind for so long that events were dropped')
    const body = JSON.stringify({ type: 'gap', after, next })
    await this.#deliver({ id: `gap-${next}`, type: 'gap', body }, dispatcher, stopped)
    this.#position = kept.nearest(next)
  }

  /** Calls the webhook until it has taken or refused a message. Throws when `stopped` is aborted. */
  async #deliver(message: WebhookMessage, dispatcher: Agent, stopped: AbortSignal): Promise<void> {
    for (let tries = 0; ; tries++) {
      const outcome = await callWebhook(this.#settings, message, dispatcher, stopped)
      stopped.throwIfAborted()
      this.#counts[outcome.kind] += 1
      this.#tell(outcome)
      if (outcome.kind !== 'failed') return
      await pause(outcome.pauseMs ?? backOffMs(tries), undefined, { signal: stopped, ref: false })
    }
  }

  /** Logs when a webhook begins to fail, what it refuses, and when it works again. */
  #tell(outcome: CallOutcome): void {
    const webhook = this.#label
    const isFailing = outcome.kind === 'failed'
    if (outcome.kind === 'refused') this.#log.warn({ webhook, problem: outcome.problem }, 'a webhook refuses an event')
    if (isFailing && !this.#isFailing) {
      this.#log.warn(
        { webhook, problem: outcome.problem },
        'a webhook takes no events; they are sent again until it does',
      )
    }
    if (!isFailing && this.#isFailing) this.#log.info({ webhook }, 'a webhook takes events again')
    this.#isFailing = isFailing
  }

  /** Keeps the position. Returns false if another instance has kept a later one. */
  #save(epoch: number, stopped: AbortSignal): Promise<boolean> {
    const position = this.#position ?? this.#events.kept.newest
    this.#savedAt = performance.now()
    return this.#whileAway(stopped, () => this.#events.moveCursor(this.#name, position, epoch))
  }

  /** Repeats a call to the store while that is away. */
  async #whileAway<T>(stopped: AbortSignal, call: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await call()
      } catch (error) {
        if (!(error instanceof StoreUnavailable)) throw error
        await pause(SAVE_MS, undefined, { signal: stopped, ref: false })
      }
    }
  }

  /** Resolves when the log has changed. Throws when `stopped` is aborted. */
  #more(stopped: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (): void => {
        unsubscribe()
        stopped.removeEventListener('abort', end)
        if (stopped.aborted) reject(stopped.reason)
        else resolve()
      }
      const unsubscribe = this.#events.subscribe((early) => {
        if (early === null) end()
      })
      stopped.addEventListener('abort', end)
    })
  }
}

/** Doubles with each try, with jitter, so that receivers do not get the calls of many senders at once. */
function backOffMs(tries: number): number {
  return Math.min(BACK_OFF_MS.max, BACK_OFF_MS.min * 2 ** tries) * (0.75 + Math.random() * 0.5)
}
