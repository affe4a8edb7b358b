import { expect } from 'vitest'
import type { Answer, CutoverOptions } from '../support/cutover.ts'
import { Cutover } from '../support/cutover.ts'
import { Load } from '../support/load.ts'
import type { LoadFigures } from '../support/load-counts.ts'
import type { RedisOptions } from '../support/redis.ts'
import { RedisServer } from '../support/redis.ts'
import { until } from '../support/until.ts'
import { App, BLUE, GREEN } from './app.ts'

export type InstanceName = 'a' | 'b' | 'c'
export const INSTANCES: readonly InstanceName[] = ['a', 'b', 'c']

/** What a test may set of every instance, or of one. */
export type InstanceOptions = Partial<CutoverOptions>

/** Several instances of two workers each on one Redis, in front of one app. */
export class Fleet {
  readonly redis: RedisServer
  readonly app: App
  private readonly members = new Map<InstanceName, Cutover>()
  private readonly ended: Cutover[] = []
  private readonly common: InstanceOptions

  private constructor(redis: RedisServer, app: App, common: InstanceOptions) {
    this.redis = redis
    this.app = app
    this.common = common
  }

  /** Redis and an app, and no instance yet. */
  static async empty(common: InstanceOptions = {}, redisOptions: RedisOptions = {}): Promise<Fleet> {
    const [redis, app] = await Promise.all([RedisServer.start(redisOptions), App.start()])
    return new Fleet(redis, app, common)
  }

  /** Three instances, started at once; resolves when they know each other and every server is up. */
  static async start(common: InstanceOptions = {}, redisOptions: RedisOptions = {}): Promise<Fleet> {
    const fleet = await Fleet.empty(common, redisOptions)
    try {
      await Promise.all(INSTANCES.map((name) => fleet.add(name)))
      await fleet.settled()
      return fleet
    } catch (error) {
      await fleet.stop()
      throw error
    }
  }

  /** Starts an instance; in the place of an earlier one of that name, which has ended, if there was one. */
  async add(name: InstanceName, options: InstanceOptions = {}): Promise<Cutover> {
    const merged = { ...this.common, ...options }
    const cutover = await Cutover.start({
      services: { shop: this.app.service() },
      ...merged,
      proxy: { workers: 2, accessLog: 'off', ...merged.proxy },
      store: { redis: this.redis.url, ...merged.store },
      fleet: { name, ...merged.fleet },
    })
    const before = this.members.get(name)
    if (before !== undefined) this.ended.push(before)
    this.members.set(name, cutover)
    return cutover
  }

  get(name: InstanceName): Cutover {
    const cutover = this.members.get(name)
    if (cutover === undefined) throw new Error(`there is no instance ${name}`)
    return cutover
  }

  /** Those that run. */
  get all(): Cutover[] {
    return [...this.members.values()].filter(
      ({ process: { exitCode, signalCode } }) => exitCode === null && !signalCode,
    )
  }

  /**
   * Resolves when all that run know each other, are at one revision, and find every server up. Those that were killed
   * are struck off: another one that was started since is not at the same place, having ports of its own.
   */
  async settled(): Promise<void> {
    await until(async () => {
      const views = await Promise.all(this.all.map((each) => each.api('GET', '/api/instances')))
      const instances: { id: string; live: boolean }[] = views[0]?.body.instances ?? []
      for (const { id, live } of instances) if (!live) await this.all[0]?.api('DELETE', `/api/instances/${id}`)
      const servers = await Promise.all(this.all.map((each) => each.api('GET', '/api/servers')))
      const revisions = new Set(views.map(({ body }) => body.revision))
      return (
        revisions.size === 1 &&
        views.every(({ body }) => body.instances.length === this.all.length && areReachable(body.instances)) &&
        servers.every(({ body }) => body.servers.every(({ health }: { health: string }) => health === 'up'))
      )
    })
  }

  /** All on blue, all servers ready, in force everywhere. */
  async reset(): Promise<void> {
    this.app.release()
    await this.settled()
    for (const server of [...BLUE, ...GREEN]) {
      expect((await this.get('a').api('POST', `/api/servers/${server}/enable?wait=10s`)).status).toBe(200)
    }
    const { status } = await this.get('a').api('POST', '/api/services/shop/switch?wait=10s', { to: 'blue' })
    expect(status).toBe(200)
  }

  /** Ends everything, whatever its state. */
  async stop(): Promise<void> {
    this.app.release()
    const instances = [...this.ended, ...this.members.values()]
    await Promise.all(instances.map((each) => each.stop('SIGKILL').catch(() => undefined)))
    await Promise.all([this.redis.stop(), this.app.stop()])
  }
}

/** Process ids of an instance, by role. */
export async function pids(cutover: Cutover, role?: 'control' | 'worker' | 'supervisor'): Promise<number[]> {
  const { body } = await cutover.api('GET', '/api/instances')
  const processes: { role: string; pid: number }[] = body.instances[0].processes
  return processes.filter((each) => role === undefined || each.role === role).map(({ pid }) => pid)
}

/** Kills every process of an instance at once. The supervisor comes first: it starts others anew, and may not be listed yet. */
export async function killWhole(cutover: Cutover): Promise<void> {
  const all = new Set([cutover.process.pid as number, ...(await pids(cutover))])
  for (const pid of all) process.kill(pid, 'SIGKILL')
  await cutover.exited
}

/** Kills the control process of an instance, and resolves when another one answers. */
export async function killControl(cutover: Cutover): Promise<void> {
  const [pid = 0] = await pids(cutover, 'control')
  process.kill(pid, 'SIGKILL')
  await until(async () => {
    const [now] = await pids(cutover, 'control')
    return now !== undefined && now !== pid
  })
}

/** Names of the instances that live, of an answer of GET /api/instances. */
export function liveNames(body: { instances: { name: string; live: boolean }[] }): string[] {
  return body.instances
    .filter(({ live }) => live)
    .map(({ name }) => name)
    .sort()
}

/** Whether all live, and their addresses are known, which is so from the second heartbeat on. */
function areReachable(instances: readonly { address: string; live: boolean }[]): boolean {
  return instances.every(({ address, live }) => live && address !== '')
}

/** The instance of this name as another one knows it; the one that lives where there was another before. */
export async function instanceView(at: Cutover, name: string) {
  const { body } = await at.api('GET', '/api/instances')
  const named: { live: boolean }[] = body.instances.filter((each: { name: string }) => each.name === name)
  return body.instances[body.instances.indexOf(named.find(({ live }) => live) ?? named[0])]
}

/** The service `shop` as an instance has it. */
export async function shop(cutover: Cutover) {
  return (await cutover.api('GET', '/api/services/shop')).body
}

/** A server as an instance has it. */
/** Whether an instance says that its state may be out of date. */
export async function isStale(cutover: Cutover): Promise<boolean> {
  return (await cutover.api('GET', '/api/services')).body.stale === true
}

export async function serverView(cutover: Cutover, name: string) {
  return (await cutover.api('GET', `/api/servers/${name}?service=shop`)).body.servers[0]
}

/** How often each server answers so many requests over eight new connections, none of which may fail. */
export async function spread(
  cutover: Cutover,
  requests: number,
  path = '/',
): Promise<Readonly<Record<string, number>>> {
  const names = [...BLUE, ...GREEN]
  const figures = await new Load({ url: `${cutover.proxy}${path}`, clients: 8, names, requests }).done
  expectNoneFailed(figures)
  return figures.answers
}

/** Which servers answer at an instance, sorted. */
export async function reached(cutover: Cutover, requests = 24): Promise<string[]> {
  return Object.keys(await spread(cutover, requests)).sort()
}

export function expectNoneFailed(figures: LoadFigures): void {
  expect(figures.failures).toEqual({})
  expect(figures.completed).toBeGreaterThan(0)
}

/** Sends a request through an instance; its status and body. */
export async function ask(cutover: Cutover, path = '/'): Promise<{ status: number; body: string }> {
  const response = await fetch(`${cutover.proxy}${path}`)
  return { status: response.status, body: await response.text() }
}

/** Sends requests that are held until so many are under way at a server; returns those, as promises. */
export async function hold(fleet: Fleet, at: Cutover, server: string, count: number, path = '/hold') {
  const before = fleet.app.held(server)
  const asked: ReturnType<typeof ask>[] = []
  while (fleet.app.held(server) - before < count) {
    const total = fleet.app.held()
    const asking = ask(at, path)
    asking.catch(() => undefined)
    asked.push(asking)
    await until(() => fleet.app.held() > total)
  }
  return asked
}

/** Calls the API, and says how long it took until the answer was there, ms. */
export async function timed(calling: Promise<Answer>): Promise<Answer & { readonly ms: number; readonly at: number }> {
  const since = performance.now()
  const answer = await calling
  return { ...answer, ms: performance.now() - since, at: performance.now() }
}
