import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { request } from 'undici'
import { afterAll, beforeAll, expect } from 'vitest'
import { Cutover } from '../support/cutover.ts'
import { EventReader, type SeenEvent } from '../support/event-reader.ts'
import { Load } from '../support/load.ts'
import type { LoadFigures } from '../support/load-counts.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

/** A server whose answers a test decides. */
export class Actor {
  /** Status of each answer. */
  status: () => number = () => 200
  /** Time that each answer takes, ms. */
  takes: () => number = () => 10
  /** When it got its last request, monotonic ms. */
  lastAt = 0
  readonly upstream: Upstream

  private constructor(upstream: Upstream) {
    this.upstream = upstream
  }

  static async start(name: string): Promise<Actor> {
    const upstream = await startUpstream((request, response) => void actor.answer(request, response), { name })
    const actor = new Actor(upstream)
    return actor
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.lastAt = performance.now()
    request.resume()
    response.statusCode = this.status()
    await delay(this.takes())
    response.end(this.upstream.name)
  }
}

/** Every answer of so many is an error. */
export function oneIn(count: number): () => number {
  let next = 0
  return () => (++next % count === 0 ? 500 : 200)
}

// biome-ignore lint/suspicious/noExplicitAny: a test looks for what it expects, and fails when it is not there.
export type View = any

/** A service with a pool `stable`, which has all traffic, and a pool `next`, of a server each. */
export class Trial {
  readonly name: string
  readonly stable: Actor
  readonly next: Actor
  readonly cutover: Cutover

  constructor(cutover: Cutover, name: string, stable: Actor, next: Actor) {
    this.cutover = cutover
    this.name = name
    this.stable = stable
    this.next = next
  }

  get host(): string {
    return `${this.name}.test`
  }

  /** Clients that ask one thing after the other. */
  load(clients = 4): Load {
    const names = [this.stable.upstream.name, this.next.upstream.name, `${this.name}-third`]
    return new Load({ url: `${this.cutover.proxy}/`, clients, names, hostHeader: this.host, onlyGet: true })
  }

  /** Sends a request; the name of the server that has answered. */
  async ask(headers: Readonly<Record<string, string>> = {}): Promise<{ body: string; cookies: string[] }> {
    const answer = await request(this.cutover.proxy, { headers: { ...headers, host: this.host } })
    return { body: await answer.body.text(), cookies: [answer.headers['set-cookie'] ?? []].flat() }
  }

  /** Calls the API below the service. */
  api(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
    return this.cutover.api(method, `/api/services/${this.name}${path}`, body, headers)
  }

  /** Begins a rollout, with ticks of a second unless told otherwise; its id. */
  async begin(settings: Readonly<Record<string, unknown>>): Promise<string> {
    const analysis = { tick: '1s', ...(settings.analysis as object) }
    const answer = await this.api('POST', '/rollouts', { to: 'next', ...settings, analysis })
    expect([answer.status, answer.body.detail, answer.body.problems]).toEqual([201, undefined, undefined])
    return answer.body.rollout.id
  }

  async view(id: string): Promise<View> {
    return (await this.api('GET', `/rollouts/${id}`)).body.rollout
  }

  /** Asks a verb, which must succeed; the rollout after it. */
  async tell(id: string, verb: string, body: object = {}, headers: Record<string, string> = {}): Promise<View> {
    const answer = await this.api('POST', `/rollouts/${id}/${verb}`, body, headers)
    expect([verb, answer.status, answer.body.detail]).toEqual([verb, 200, undefined])
    return answer.body.rollout
  }

  /** Resolves with the rollout once it is as wanted. */
  async seen(id: string, isWanted: (rollout: View) => boolean, withinMs = 60_000): Promise<View> {
    const deadline = performance.now() + withinMs
    for (;;) {
      const rollout = await this.view(id)
      if (isWanted(rollout)) return rollout
      if (performance.now() > deadline) throw new Error(`it is ${JSON.stringify(rollout)}`)
      await delay(50)
    }
  }

  /** The events of its rollouts, from the first one to one of this type. */
  async eventsUntil(last: string): Promise<readonly SeenEvent[]> {
    const reader = await EventReader.open(this.cutover.admin, '0-0', `?service=${this.name}&types=rollout.*`)
    await reader.event(({ type }) => type === last)
    reader.close()
    return reader.events
  }
}

/** An instance for the tests of a file, with a service of its own for each of them. */
export class Trials {
  private readonly actors: Actor[] = []
  private running: Cutover | null = null

  /** Registers its start before and its end after the tests of a file. */
  constructor() {
    beforeAll(async () => {
      this.running = await Cutover.start({ services: {}, proxy: { accessLog: 'off', workers: 2 } })
    })
    afterAll(async () => {
      await this.running?.stop('SIGKILL')
      await Promise.all(this.actors.map(({ upstream }) => upstream.close()))
    })
  }

  get cutover(): Cutover {
    if (this.running === null) throw new Error('not started')
    return this.running
  }

  async actor(name: string): Promise<Actor> {
    const actor = await Actor.start(name)
    this.actors.push(actor)
    return actor
  }

  /** Defines a service with both servers up. `rest`: more keys of its definition; `pools`: more pools. */
  async service(name: string, { pools = {}, ...rest }: Readonly<Record<string, unknown>> = {}): Promise<Trial> {
    const stable = await this.actor(`${name}-old`)
    const next = await this.actor(`${name}-new`)
    const of = ({ upstream }: Actor) => ({ servers: { [upstream.name]: upstream.url } })
    const { status, body } = await this.cutover.api('PUT', `/api/services/${name}`, {
      hosts: [`${name}.test`],
      pools: { stable: of(stable), next: of(next), ...(pools as object) },
      split: { stable: 100 },
      health: { interval: '200ms' },
      ...rest,
    })
    expect([status, body.detail, body.problems]).toEqual([200, undefined, undefined])
    const trial = new Trial(this.cutover, name, stable, next)
    const deadline = performance.now() + 15_000
    for (;;) {
      const { pools: views } = (await trial.api('GET', '')).body
      if (views.every((each: { up: number; servers: unknown[] }) => each.up === each.servers.length)) return trial
      if (performance.now() > deadline) throw new Error(`not all servers of ${name} came up`)
      await delay(50)
    }
  }
}

/** Ends a load, none of whose requests may have failed. */
export async function endedWell(load: Load): Promise<LoadFigures> {
  const figures = await load.stop()
  expect([figures.failures, figures.completed]).toEqual([{}, figures.sent])
  return figures
}
