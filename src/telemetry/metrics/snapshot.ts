import type { HandshakeReport, Totals, Vitals } from '../../model/messages.ts'
import type { ServerState } from '../../model/state.ts'
import type { EventFigures } from './event-figures.ts'
import type { RolloutFigures } from './rollout-figures.ts'

/** Data of an instance at the moment of a scrape. */
export interface MetricsSnapshot {
  readonly report: Totals
  /** That of Cutover. */
  readonly version: string
  /** Pools of services with versionHeader. */
  readonly versions: readonly { readonly service: string; readonly pool: string; readonly isMismatch: boolean }[]
  readonly revision: number
  /** The revision in force at each live instance of the fleet. */
  readonly applied: readonly { readonly instance: string; readonly revision: number }[]
  readonly applyLagMs: number
  readonly storeUp: boolean
  readonly storeWritable: boolean
  readonly storeCounts: { readonly reloads: number; readonly lostRevisions: number; readonly restores: number }
  readonly admin: {
    readonly listeners: Readonly<Record<string, number>>
    readonly refusedConnections: number
    readonly wrongTokens: number
  }
  readonly events: EventFigures
  readonly rollouts: RolloutFigures
  readonly overrides: number
  /** Services that wait for the servers of a new definition. */
  readonly handovers: number
  readonly services: readonly {
    readonly name: string
    readonly pools: readonly string[]
    readonly mode: 'serving' | 'paused' | 'stopped'
  }[]
  /** Lookups of the names of servers, by outcome. */
  readonly lookups: readonly (readonly [outcome: string, count: number])[]
  readonly processes: readonly (Vitals & { readonly role: string; readonly connections: number })[]
  readonly workerRestarts: number
  readonly handshakes: readonly HandshakeReport[]
  readonly certificates: readonly {
    readonly listener: string
    readonly file: string
    readonly notAfterMs: number
    readonly isRefused: boolean
    readonly failures: number
  }[]
  /** `counts`: attempts of this instance by outcome. */
  readonly acme: {
    readonly counts: Readonly<Record<string, number>>
    readonly names: readonly { readonly domain: string; readonly failures: number }[]
  }
  readonly accessLogDropped: number
  readonly traceSpansDropped: number
  readonly pools: readonly {
    readonly service: string
    readonly pool: string
    readonly version: string
    /** Its share of the split. */
    readonly percent: number
  }[]
  /** Pools with backups. */
  readonly backups: readonly { readonly service: string; readonly pool: string; readonly inUse: boolean }[]
  readonly servers: readonly {
    readonly service: string
    readonly pool: string
    readonly server: string
    readonly state: ServerState
    readonly weight: number
    readonly up: boolean
    readonly ejected: boolean
    readonly inFlight: number
    /** Duration of the last probe; null = there was none. */
    readonly probeMs: number | null
    /** When its certificate expires, ms since the epoch; null = the last probe saw none. */
    readonly certificateExpiresAtMs: number | null
  }[]
}
