import type { BlockList } from 'node:net'
import type { TracingSettings } from '../model/tracing.ts'
import type { AccessLog } from '../telemetry/access-log/access-log.ts'
import type { Counters } from '../telemetry/counters.ts'
import type { Row } from '../telemetry/ticks/row.ts'
import type { Tracing } from '../telemetry/tracing/tracing.ts'
import type { ForwardingPolicy } from './client/request-head.ts'
import type { ErrorCode } from './errors.ts'
import type { HooksInForce } from './hooks/hooks-in-force.ts'
import type { Router } from './routing/router.ts'
import type { ServiceRoute } from './routing/service-route.ts'
import type { Targets } from './upstream/targets.ts'
import type { Verdicts } from './verdicts.ts'

/** Settings of a data plane. For limits and timeouts, 0 = none. */
export interface DataPlaneSettings {
  /** CIDRs; `unix` = the peers at socket files. */
  readonly trustedProxies: readonly string[]
  readonly forwarding: ForwardingPolicy
  /** null = requests are not traced. */
  readonly tracing: TracingSettings | null
  readonly limits: {
    readonly headerBytes: number
    readonly urlBytes: number
    readonly bodyBytes: number
    readonly connections: number
    readonly requestsPerConnection: number
    /** Max streams of an HTTP/2 connection at once; never 0. */
    readonly streams: number
    /** Max requests held for paused services, of the whole instance. */
    readonly held: number
  }
  readonly timeouts: {
    readonly headerMs: number
    readonly requestMs: number
    readonly keepAliveMs: number
    readonly idleBodyMs: number
    readonly tunnelMs: number
  }
}

/** A tunnel that is open. */
export interface OpenTunnel {
  /** Closes it in good order. */
  shutDown(reason: ErrorCode): void
}

/** The parts of a data plane that its requests use. */
export interface ProxyContext {
  readonly settings: DataPlaneSettings
  readonly counters: Counters
  readonly accessLog: AccessLog | null
  readonly tracing: Tracing | null
  readonly trustedProxies: BlockList
  /** Counts of responses that come from no service. */
  readonly unrouted: Row
  readonly targets: Targets
  readonly verdicts: Verdicts
  readonly tunnels: Set<OpenTunnel>
  /** null = none. */
  readonly hooks: HooksInForce | null
  /** That of the table in force. */
  readonly router: Router
  readonly isStopping: boolean
  /** Key authorizations of ACME challenges by token (RFC 8555 §8.3); null = there is no challenge. */
  readonly acmeTokens: ReadonlyMap<string, string> | null
  /** Returns the service of this name in the table in force. */
  routeOf(service: string): ServiceRoute | undefined
}
