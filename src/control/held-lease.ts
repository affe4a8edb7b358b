import { setTimeout as pause } from 'node:timers/promises'
import type { Lease } from '../model/leases.ts'
import { type Leases, StoreUnavailable } from '../store/store.ts'

/** Source: ROLLOUTS.md section 4. */
const LEASE_MS = 10_000
const RENEW_MS = 3_000
/** Time after the last renewal at which its holder stops deciding: before anybody else may begin. */
const TRUSTED_MS = 7_000
/** Time between two attempts to take it. */
const TRY_MS = 1_000

/** An exclusive right, as its holder sees it. */
export class HeldLease {
  readonly lease: Lease
  /** Aborted when the right has ended. */
  readonly lost: AbortSignal
  private readonly ending = new AbortController()
  /** When it was last taken or renewed, monotonic ms. */
  private renewedAt: number

  constructor(lease: Lease, since: number) {
    this.lease = lease
    this.renewedAt = since
    this.lost = this.ending.signal
  }

  /** Whether its holder may decide: nobody else can hold it yet. */
  get isTrusted(): boolean {
    return !this.lost.aborted && performance.now() - this.renewedAt < TRUSTED_MS
  }

  end(): void {
    this.ending.abort()
  }

  /** Renews it until it is lost, or `stopped` is aborted. */
  async keep(leases: Leases, stopped: AbortSignal): Promise<void> {
    const any = AbortSignal.any([stopped, this.lost])
    while (!any.aborted) {
      await pauseUnless(any, RENEW_MS)
      if (any.aborted) return
      const from = performance.now()
      const isHeld = await leases.renew(this.lease, LEASE_MS).catch(nullIfAway)
      if (isHeld === true) this.renewedAt = from
      if (isHeld === false || performance.now() - this.renewedAt > LEASE_MS) this.end()
    }
  }
}

/**
 * Holds a lease whenever nobody else does, until `stopped` is aborted, and runs `whileHeld` meanwhile. That ends when the
 * lease is lost, or by itself.
 */
export async function inTurn(
  leases: Leases,
  name: string,
  holder: string,
  stopped: AbortSignal,
  whileHeld: (held: HeldLease) => Promise<void>,
): Promise<void> {
  while (!stopped.aborted) {
    await ifFree(leases, name, holder, stopped, whileHeld)
    // Jitter keeps the instances from asking at the same moment.
    await pauseUnless(stopped, TRY_MS * (0.75 + Math.random() * 0.25))
  }
}

/** Holds a lease if nobody else does, and runs `whileHeld` meanwhile, which ends by itself or when the lease is lost. */
export async function ifFree(
  leases: Leases,
  name: string,
  holder: string,
  stopped: AbortSignal,
  whileHeld: (held: HeldLease) => Promise<void>,
): Promise<void> {
  const since = performance.now()
  const lease = await leases.take(name, holder, LEASE_MS).catch(nullIfAway)
  if (lease === null) return
  const held = new HeldLease(lease, since)
  const keeping = held.keep(leases, stopped)
  try {
    await whileHeld(held)
  } finally {
    held.end()
    await keeping
    await leases.release(lease).catch(nullIfAway)
  }
}

function nullIfAway(error: unknown): null {
  if (!(error instanceof StoreUnavailable)) throw error
  return null
}

async function pauseUnless(stopped: AbortSignal, ms: number): Promise<void> {
  await pause(ms, undefined, { signal: stopped, ref: false }).catch(() => undefined)
}
