import type { EventRecord } from '../../model/event-record.ts'
import { eventRecord } from '../../model/events.ts'
import type { Store } from '../../store/store.ts'
import type { AcmeOutcome } from '../acme/acme-orders.ts'
import type { VersionMismatch } from '../app-versions.ts'
import type { CertificateChange } from '../certificates/listener-certificates.ts'
import type { Control } from '../control.ts'
import type { Fleet } from '../fleet/fleet.ts'
import type { Self } from '../fleet/self.ts'
import type { WorkerDeath } from '../proxies.ts'
import { DrainWatch } from './drain-watch.ts'
import { HealthEvents } from './health-events.ts'
import { Presence } from './presence.ts'

interface EventSourcesOptions {
  readonly store: Store
  readonly control: Control
  readonly fleet: Fleet
  readonly self: Self
  readonly version: string
}

/** Logs what this instance learns, beside the changes of state, which the store logs itself. */
export class EventSources {
  private readonly options: EventSourcesOptions
  private readonly drains: DrainWatch
  private readonly presence: Presence
  private readonly health: HealthEvents
  private isStarted = false
  private isStopped = false
  private isChecking = false
  private wasUp = true

  constructor(options: EventSourcesOptions) {
    const { store, control, fleet, self, version } = options
    const nowMs = () => store.nowMs()
    const { events: log } = store
    this.options = options
    this.drains = new DrainWatch(log, control, nowMs)
    this.presence = new Presence(
      log,
      fleet,
      () => ({ id: self.id, name: self.name, address: self.address, version }),
      nowMs,
    )
    this.health = new HealthEvents({
      log,
      instance: self.name,
      state: () => control.state,
      healthOf: (key) => control.health(key),
      nowMs,
    })
  }

  /** Begins, once this instance is in the fleet and its proxies are known. */
  start(): void {
    const { store, control } = this.options
    this.isStarted = true
    store.events.subscribe(() => this.check())
    store.onStatus(() => this.storeChanged())
    control.controller.watch(() => this.health.forget())
    this.storeChanged()
    this.check()
  }

  /** Looks at drains and instances at the end of this turn of the event loop. */
  check(): void {
    if (!this.isStarted || this.isChecking) return
    this.isChecking = true
    setImmediate(() => {
      this.isChecking = false
      // While the store is away, nothing is known of the other instances.
      if (this.isStopped || !this.options.store.status().up) return
      this.drains.check()
      this.presence.check()
    })
  }

  healthChanged(keys: Iterable<string>): void {
    this.health.changed(keys)
  }

  versionsReported({ service, pool, version, reported, isMismatch }: VersionMismatch): void {
    const type = isMismatch ? 'version.mismatch' : 'version.match'
    this.log({ type, service, pool, before: { version }, after: { reported } })
  }

  certificateChanged({ listener, file, error, facts }: CertificateChange): void {
    const type = error === null ? 'certificate.changed' : 'certificate.refused'
    const notAfter = facts === null ? null : new Date(facts.notAfterMs).toISOString()
    this.log({
      type,
      reason: error,
      after: { listener, file, names: facts?.names ?? [], notAfter, fingerprint: facts?.fingerprint ?? null },
    })
  }

  certificateOrdered({ domain, directory, error, failures, notAfterMs, nextMs }: AcmeOutcome): void {
    const at = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString())
    const shown = { domain, directory, notAfter: at(notAfterMs) }
    if (error === null) this.log({ type: 'certificate.renewed', after: { ...shown, nextRenewal: at(nextMs) } })
    else this.log({ type: 'certificate.failed', reason: error, after: { ...shown, failures, nextTry: at(nextMs) } })
  }

  workerDied({ worker, how }: WorkerDeath): void {
    this.log({ type: 'worker.died', reason: how, before: { worker } })
  }

  /** Logs that this instance signs off, and ends. */
  leave(): void {
    if (this.isStarted && !this.isStopped) this.presence.leave()
    this.stop()
  }

  stop(): void {
    this.isStopped = true
    this.health.stop()
  }

  private storeChanged(): void {
    const status = this.options.store.status()
    if (status.up === this.wasUp) return
    this.wasUp = status.up
    this.log(status.up ? { type: 'store.back' } : { type: 'store.away', reason: status.detail })
    this.check()
  }

  private log(given: Pick<EventRecord, 'type'> & Partial<EventRecord>): void {
    const { store, self } = this.options
    const at = new Date(store.nowMs()).toISOString()
    store.events.append([{ event: eventRecord({ at, instance: self.name, ...given }) }])
  }
}
