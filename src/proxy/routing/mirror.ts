import type { OutboundRequest } from '../../http1/outbound-call.ts'
import { WHOLE } from '../../model/split.ts'
import type { TableService } from '../../model/table.ts'
import type { MirrorRule } from '../../model/traffic-policies.ts'
import type { ClientEnds } from '../../net/proxy-header.ts'
import type { Counters } from '../../telemetry/counters.ts'
import type { ClientStream } from '../client/client-stream.ts'
import type { RequestHead } from '../client/request-head.ts'
import { type CopyCount, type CopyOwner, MirrorCall } from '../upstream/mirror-call.ts'
import type { Target } from '../upstream/target.ts'
import type { PoolRoute } from './pool-route.ts'
import type { RoutedRequest } from './routed-request.ts'

/** A request that may be copied. */
export interface Original {
  readonly stream: Pick<ClientStream, 'body'>
  readonly head: Pick<RequestHead, 'isCopy'>
  readonly routed: RoutedRequest
  clientEnds(): ClientEnds
  /** `pool`: the one that answers it. */
  readonly tries: { readonly pool: { readonly name: string } | null } | null
}

export interface MirrorSettings {
  readonly rule: MirrorRule
  readonly table: TableService
  /** The pool that gets the copies. */
  readonly pool: PoolRoute
}

/**
 * Decides which requests of a service are copied, and counts the copies. It outlives the tables, so that the share is
 * exact and the limit holds across them.
 */
export class Mirror implements CopyOwner {
  /** As in the table in force. */
  settings: MirrorSettings
  private readonly counters: Counters
  /** What requests have earned towards the next copy, in hundredths of a percent. */
  private credit = 0
  /** Copies that are gathered or sent. */
  private inFlight = 0
  private isStopped = false

  constructor(settings: MirrorSettings, counters: Counters) {
    this.settings = settings
    this.counters = counters
  }

  get timeouts(): TableService['timeouts'] {
    return this.settings.table.timeouts
  }

  get maxBodyBytes(): number {
    return this.settings.rule.bodyBytes
  }

  /**
   * Returns the copy of a request that is about to be sent to its first server; null = it is not copied. A copy takes its
   * place within the limit at once, since it may have a body to keep.
   */
  copyOf(request: OutboundRequest, original: Original): MirrorCall | null {
    const { rule, table, pool } = this.settings
    if (!this.isEligible(request, original)) return null
    this.credit += rule.share
    if (this.credit < WHOLE) return null
    this.credit -= WHOLE
    const { body } = original.stream
    if (body.framing.length > rule.bodyBytes) return this.drop('body_too_large')
    if (this.inFlight >= rule.inFlight) return this.drop('in_flight')
    this.inFlight++
    const routed = typeof table.balance === 'string' ? null : original.routed
    const client = pool.tellsClients ? original.clientEnds() : null
    return new MirrorCall(this, request, body, routed, client)
  }

  /** Sends no more copies, those included that wait for the rest of their requests. */
  stop(): void {
    this.isStopped = true
  }

  pick(routed: RoutedRequest | null): Target | null {
    if (this.isStopped) return null
    const { pool } = this.settings
    const target = pool.pickForCopy(performance.now(), routed)
    if (target !== null) pool.rowOf(target).mirrored()
    return target
  }

  ended(count: CopyCount, label: string): void {
    this.inFlight--
    this.count(count, label)
  }

  differs(): void {
    this.count('mirrorDifferences', '')
  }

  /** A request of the pool itself is not copied to it, nor is the copy of another proxy copied again. */
  private isEligible({ method, upgrade }: OutboundRequest, { head, tries }: Original): boolean {
    const { rule } = this.settings
    return rule.methods.includes(method) && upgrade === '' && !head.isCopy && tries?.pool?.name !== rule.to
  }

  private drop(reason: string): null {
    this.count('mirrorDropped', reason)
    return null
  }

  private count(kind: CopyCount | 'mirrorDifferences', label: string): void {
    this.counters.tally(kind, this.settings.table.name, label).add()
  }
}
