import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'vitest'
import type { Cutover } from '../support/cutover.ts'
import { Load } from '../support/load.ts'
import type { LoadFigures } from '../support/load-counts.ts'
import type { RedisOptions } from '../support/redis.ts'
import { until } from '../support/until.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'
import { Fleet, type InstanceName } from './support.ts'

const OLD = 'old1'
export const NEW = 'new1'
/** How long a server takes for an answer: clients that wait for it send some hundred requests a second. */
const ANSWER_MS = 20
/** What is asked for to be answered at once. */
export const QUICK = '/quick'

// biome-ignore lint/suspicious/noExplicitAny: a test looks for what it expects, and fails when it is not there.
export type View = any

export interface StageOptions {
  /** Each has a stable pool of one server and a canary of one, and these policies. */
  readonly services: Readonly<Record<string, object>>
  readonly redis?: RedisOptions
}

/** A fleet without instances yet, and two servers: one of every stable pool, and one of every canary. */
export class RolloutStage {
  readonly fleet: Fleet
  readonly stable: Upstream
  readonly canary: Upstream
  private readonly answering: Answering

  private constructor(fleet: Fleet, stable: Upstream, canary: Upstream, answering: Answering) {
    this.fleet = fleet
    this.stable = stable
    this.canary = canary
    this.answering = answering
  }

  static async empty({ services, redis = {} }: StageOptions): Promise<RolloutStage> {
    const answering = new Answering()
    const [stable, canary] = await Promise.all([
      startUpstream((request, response) => void answering.well(request, response), { name: OLD }),
      startUpstream((request, response) => void answering.orBadly(request, response), { name: NEW }),
    ])
    const pools = { stable: { servers: { [OLD]: stable.url } }, next: { servers: { [NEW]: canary.url } } }
    const defined = Object.entries(services).map(([name, policies]) => [
      name,
      { hosts: [host(name)], pools, split: { stable: 100 }, health: { interval: '200ms' }, ...policies },
    ])
    const fleet = await Fleet.empty({ services: Object.fromEntries(defined) }, redis)
    return new RolloutStage(fleet, stable, canary, answering)
  }

  /** With three instances that know each other. */
  static async start(options: StageOptions): Promise<RolloutStage> {
    const stage = await RolloutStage.empty(options)
    try {
      await Promise.all((['a', 'b', 'c'] as const).map((name) => stage.fleet.add(name)))
      await stage.fleet.settled()
      return stage
    } catch (error) {
      await stage.stop()
      throw error
    }
  }

  /** Sets the share of the answers of the canary that are errors, 0 to 1. */
  set badShare(share: number) {
    this.answering.badShare = share
  }

  /** The same of one service; `takesMs`: how long its answers take. */
  behave(service: string, badShare: number, takesMs: number): void {
    this.answering.badShares.set(host(service), badShare)
    this.answering.takesMs.set(host(service), takesMs)
  }

  /** How many answers of the canary were errors, by service. */
  errorsOf(service: string): number {
    return this.answering.errors.get(host(service)) ?? 0
  }

  /** When the canary got its last request of a service, monotonic ms. */
  lastAtCanary(service: string): number {
    return this.answering.lastAt.get(host(service)) ?? 0
  }

  async stop(): Promise<void> {
    await this.fleet.stop()
    await Promise.all([this.stable.close(), this.canary.close()])
  }

  /** Clients at each of these instances: all that run, unless told otherwise. */
  load(service: string, at: readonly Cutover[] = this.fleet.all, clients = 2): RolloutLoad {
    return new RolloutLoad(service, at, clients)
  }
}

/** How the servers answer. */
class Answering {
  badShare = 0
  readonly badShares = new Map<string, number>()
  readonly takesMs = new Map<string, number>()
  readonly errors = new Map<string, number>()
  /** When the canary got its last request, monotonic ms, by host. */
  readonly lastAt = new Map<string, number>()
  private readonly due = new Map<string, number>()

  async well(request: IncomingMessage, response: ServerResponse): Promise<void> {
    request.resume()
    const { host = '' } = request.headers
    if (request.url !== QUICK) await delay(this.takesMs.get(host) ?? ANSWER_MS)
    response.end(response.getHeader('x-upstream'))
  }

  async orBadly(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { host = '' } = request.headers
    this.lastAt.set(host, performance.now())
    const due = (this.due.get(host) ?? 0) + (this.badShares.get(host) ?? this.badShare)
    this.due.set(host, due >= 1 ? due - 1 : due)
    if (due >= 1) {
      this.errors.set(host, (this.errors.get(host) ?? 0) + 1)
      response.statusCode = 500
    }
    await this.well(request, response)
  }
}

/** Clients that ask for a service at several instances. */
export class RolloutLoad {
  private readonly loads: readonly Load[]

  constructor(service: string, at: readonly Cutover[], clients: number) {
    this.loads = at.map(
      ({ proxy }) =>
        new Load({ url: `${proxy}/`, clients, names: [OLD, NEW], hostHeader: host(service), onlyGet: true }),
    )
  }

  /** Answers of the canary so far, at each instance. */
  get atCanary(): readonly number[] {
    return this.loads.map((load) => load.answers.get(NEW) ?? 0)
  }

  /** The same at all instances together. */
  get ofCanary(): number {
    return this.atCanary.reduce((sum, count) => sum + count, 0)
  }

  /** Resolves when so many more requests were answered well at each instance. */
  async more(count: number): Promise<void> {
    await Promise.all(this.loads.map((load) => load.more(count)))
  }

  /** Ends it; what came of it, of all instances together. */
  async stop(): Promise<{ sent: number; completed: number; failed: number; failures: object; ofCanary: number }> {
    const all = await Promise.all(this.loads.map((load) => load.stop()))
    const sum = (of: (figures: LoadFigures) => number): number => all.reduce((total, each) => total + of(each), 0)
    return {
      sent: sum(({ sent }) => sent),
      completed: sum(({ completed }) => completed),
      failed: sum(({ failed }) => failed),
      failures: Object.assign({}, ...all.map(({ failures }) => failures)),
      ofCanary: sum(({ answers }) => answers[NEW] ?? 0),
    }
  }
}

export function host(service: string): string {
  return `${service}.test`
}

function path(service: string): string {
  return `/api/services/${service}/rollouts`
}

/** Begins a rollout at an instance, with ticks of a second; its id. */
export async function begin(at: Cutover, service: string, settings: object): Promise<string> {
  const analysis = { tick: '1s', minRequests: 5 }
  const { status, body } = await at.api('POST', path(service), { to: 'next', analysis, ...settings })
  expect([status, body.detail, body.problems]).toEqual([201, undefined, undefined])
  return body.rollout.id
}

/** A rollout as an instance shows it. */
export async function view(at: Cutover, service: string, id: string): Promise<View> {
  return (await at.api('GET', `${path(service)}/${id}`)).body.rollout
}

/** Asks a verb, which must succeed; the rollout after it. */
export async function tell(at: Cutover, service: string, id: string, verb: string, body: object = {}): Promise<View> {
  const answer = await at.api('POST', `${path(service)}/${id}/${verb}`, body)
  expect([verb, answer.status, answer.body.detail]).toEqual([verb, 200, undefined])
  return answer.body.rollout
}

/** Resolves with the rollout once it is as wanted at an instance. */
export function seen(
  at: Cutover,
  service: string,
  id: string,
  isWanted: (rollout: View) => boolean,
  withinMs?: number,
): Promise<View> {
  return until(async () => {
    const rollout = await view(at, service, id)
    return isWanted(rollout) ? rollout : null
  }, withinMs).catch(async (error: unknown) => {
    const rollout = await view(at, service, id).catch(() => null)
    throw new Error(`it is ${JSON.stringify(rollout)}`, { cause: error })
  })
}

/** The instance that runs a rollout, once there is one, and two others. */
export async function leaderOf(
  fleet: Fleet,
  service: string,
  id: string,
): Promise<{ name: InstanceName; leader: Cutover; others: readonly [Cutover, Cutover]; epoch: number }> {
  const { leader: name, epoch } = await seen(
    fleet.all[0] as Cutover,
    service,
    id,
    ({ leader, epoch }) => leader !== null && epoch > 0,
  )
  const leader = fleet.get(name)
  const others = fleet.all.filter((each) => each !== leader)
  return { name, leader, others: others as [Cutover, Cutover] & Cutover[], epoch }
}

/** A rollout as one write has left it. */
export interface Written {
  readonly revision: number
  readonly epoch: number
  readonly weight: number
  readonly state: string
  readonly reason: string | null
  /** Since when it was in this state, ms. */
  readonly since: number
}

/** All writes of a rollout, oldest first, as far back as Redis keeps changes. */
export async function writesOf({ redis }: Fleet, id: string): Promise<readonly Written[]> {
  const lines = (await redis.cli('XRANGE', '{cutover}:changes', '-', '+')).split('\n')
  return lines
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line))
    .flatMap(({ revision, collections }) => {
      const value = collections?.rollouts?.[id]?.value
      if (value === undefined) return []
      const { epoch, weight, state, reason, stateSinceMs: since } = value
      return [{ revision, epoch, weight, state, reason, since }]
    })
}
