import { setTimeout as delay } from 'node:timers/promises'
import type { Cutover } from '../support/cutover.ts'
import { monotonicMs } from '../support/monotonic.ts'
import type { PoolName, UpstreamProcess } from './upstream-process.ts'
import { POOLS } from './upstream-process.ts'

export interface SwitchingOptions {
  /** Asked in turn. */
  readonly instances: readonly Cutover[]
  readonly upstreams: UpstreamProcess
  /** Resolves when every client has had its turn, or another in its place. */
  readonly everyClient: () => Promise<unknown>
  readonly switches: number
  /** Awaited before each switch, under load. */
  readonly before?: (index: number) => Promise<void>
  /** Called after each switch. */
  readonly onSwitch?: ((ms: number) => void) | undefined
  /** Ends it early. */
  readonly signal?: AbortSignal | undefined
}

export interface Switched {
  /** From asking for a switch to the answer that the old pool is drained, ms, in the order of the switches. */
  readonly times: readonly number[]
  /** Requests that reached a server after it was said to be drained, or were still under way there. */
  readonly seen: number
  /** Answers that were not as promised, in words. */
  readonly broken: readonly string[]
}

/** An answer that takes longer than this breaks the promise of a switch that waits. */
const WAIT = '30s'

/**
 * Switches to and fro between the two pools. As soon as the old pool is said to be drained, its servers stop listening
 * and break all their connections; before it is to serve again they are back, and checked by every instance.
 */
export async function switchToAndFro(options: SwitchingOptions): Promise<Switched> {
  const { instances, upstreams, everyClient, switches, before, onSwitch, signal } = options
  const broken: string[] = []
  const times: number[] = []
  let seen = 0
  let [active, other]: PoolName[] = [...POOLS]
  for (let i = 0; i < switches; i++) {
    const asked = instances[i % instances.length]
    if (active === undefined || other === undefined || asked === undefined) throw new Error('unreachable')
    signal?.throwIfAborted()
    await upstreams.open(other)
    // One instance has checked it by now, if there are several the others may still go by what they saw before.
    const since = instances.length > 1 ? Date.now() : 0
    for (const instance of instances) await up(instance, other, since)
    await everyClient()
    await before?.(i)
    const askedAt = performance.now()
    const answer = await asked.api('POST', `/api/services/shop/switch?wait=${WAIT}`, { to: other })
    const drainedAt = monotonicMs()
    const ms = performance.now() - askedAt
    const { late, underWay } = await upstreams.close(active, drainedAt)
    if (answer.status !== 200 || answer.body.drained?.join() !== active || answer.body.cut !== 0) {
      broken.push(`switch ${i + 1} to ${other} was answered ${answer.status} ${JSON.stringify(answer.body)}`)
    }
    seen += late + underWay
    times.push(ms)
    onSwitch?.(ms)
    ;[active, other] = [other, active]
  }
  await everyClient()
  return { times, seen, broken }
}

/** The ports of the pools' servers by name, once they listen. */
export async function listen(upstreams: UpstreamProcess): Promise<Readonly<Record<string, Record<string, number>>>> {
  return Object.fromEntries(await Promise.all(POOLS.map(async (pool) => [pool, await upstreams.listen(pool)] as const)))
}

/** The service that is switched. There are no retries: what goes to the wrong server shows. */
export function shop(pools: Readonly<Record<string, Readonly<Record<string, number>>>>): object {
  const urls = Object.entries(pools).map(([pool, ports]) => {
    const servers = Object.entries(ports).map(([name, port]) => [name, `http://127.0.0.1:${port}`])
    return [pool, { servers: Object.fromEntries(servers) }]
  })
  return {
    pools: Object.fromEntries(urls),
    split: { blue: 100 },
    health: { interval: '50ms' },
    retry: { attempts: 1 },
    minReady: 2,
  }
}

interface ServerSeen {
  readonly lastProbe: { readonly at: string; readonly ok: boolean } | null
}

/** Resolves once an instance has found every server of a pool up, by a check that ended after `since`. */
async function up(cutover: Cutover, pool: PoolName, since: number): Promise<void> {
  for (;;) {
    const { body } = await cutover.api('GET', '/api/services/shop')
    const found = body.pools.find(({ name }: { name: string }) => name === pool)
    const servers: readonly ServerSeen[] = found.servers
    const isChecked = servers.every(({ lastProbe }) => lastProbe?.ok === true && Date.parse(lastProbe.at) > since)
    if (found.up === servers.length && (since === 0 || isChecked)) return
    await delay(5)
  }
}
