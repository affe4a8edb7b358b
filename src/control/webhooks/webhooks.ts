import { setTimeout as pause } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { WebhookSettings } from '../../config/config.ts'
import { shownUrl } from '../../config/shown.ts'
import type { Lease } from '../../model/leases.ts'
import { type Store, StoreUnavailable } from '../../store/store.ts'
import { type WebhookFigures, WebhookSender } from './webhook-sender.ts'

const LEASE = 'webhooks'
const LEASE_MS = 10_000
const RENEW_MS = 3_000

export interface WebhooksOptions {
  readonly settings: readonly WebhookSettings[]
  readonly store: Pick<Store, 'events' | 'leases'>
  /** Whether no other instance uses the store, so that no lease is needed. */
  readonly isAlone: boolean
  /** Name of this instance, for people. */
  readonly instance: string
  readonly log: Logger
}

/** Sends events to the webhooks. Of a fleet one instance does, the holder of a lease; when it is gone, another goes on. */
export class Webhooks {
  private readonly options: WebhooksOptions
  private readonly senders: readonly WebhookSender[]
  private readonly stopping = new AbortController()
  private running: Promise<void> = Promise.resolve()

  constructor(options: WebhooksOptions) {
    const { settings, store, log } = options
    this.options = options
    const shown = settings.map(({ url }) => shownUrl(url))
    this.senders = settings.map((each, i) => {
      const label = shown.indexOf(shown[i] ?? '') === i ? shown[i] : `${shown[i]}#${i + 1}`
      return new WebhookSender(each, label ?? '', store.events, log)
    })
  }

  get figures(): readonly WebhookFigures[] {
    return this.senders.map((sender) => sender.figures)
  }

  start(): void {
    if (this.senders.length === 0) return
    const { signal } = this.stopping
    this.running = this.options.isAlone ? this.send(0, signal) : this.sendInTurn(signal)
  }

  /** Ends what is being sent: the next sender sends it again. */
  async stop(): Promise<void> {
    this.stopping.abort()
    await this.running
  }

  /** Sends while this instance holds the lease, until `stopped` is aborted. */
  private async sendInTurn(stopped: AbortSignal): Promise<void> {
    while (!stopped.aborted) {
      const until = performance.now() + LEASE_MS
      const lease = await this.take()
      if (lease !== null) await this.sendWhileHeld(lease, until, stopped)
      // Jitter keeps the instances from asking at the same moment.
      await pauseUnless(stopped, RENEW_MS * (0.75 + Math.random() * 0.5))
    }
  }

  /** `until`: when the lease runs out, monotonic ms. */
  private async sendWhileHeld(lease: Lease, until: number, stopped: AbortSignal): Promise<void> {
    const lost = new AbortController()
    const sending = this.send(lease.epoch, AbortSignal.any([stopped, lost.signal])).finally(() => lost.abort())
    let heldUntil = until
    while (!stopped.aborted && !lost.signal.aborted) {
      await pauseUnless(AbortSignal.any([stopped, lost.signal]), RENEW_MS)
      if (stopped.aborted || lost.signal.aborted) break
      const from = performance.now()
      const isHeld = await this.options.store.leases.renew(lease, LEASE_MS).catch(nullIfAway)
      if (isHeld === true) heldUntil = from + LEASE_MS
      if (isHeld === false || performance.now() > heldUntil - RENEW_MS) lost.abort()
    }
    await sending
    await this.options.store.leases.release(lease).catch(nullIfAway)
  }

  private take(): Promise<Lease | null> {
    return this.options.store.leases.take(LEASE, this.options.instance, LEASE_MS).catch(nullIfAway)
  }

  /** Sends to all webhooks; ends with the first that may not go on. */
  private async send(epoch: number, stopped: AbortSignal): Promise<void> {
    const ended = new AbortController()
    const any = AbortSignal.any([stopped, ended.signal])
    await Promise.all(this.senders.map((sender) => sender.run(epoch, any).finally(() => ended.abort())))
  }
}

function nullIfAway(error: unknown): null {
  if (!(error instanceof StoreUnavailable)) throw error
  return null
}

async function pauseUnless(stopped: AbortSignal, ms: number): Promise<void> {
  await pause(ms, undefined, { signal: stopped, ref: false }).catch(() => undefined)
}
