import type { Server } from '../../client/create-client.ts'
import { ApiError, NoAnswerError } from '../../client/create-client.ts'
import { spoken } from '../durations.ts'
import { type Interrupt, pause } from '../interrupt.ts'
import type { Session } from '../session.ts'
import { write } from '../write.ts'
import { figuresText, type Limits, troubleOf } from './comparison.ts'
import type { Journal } from './journal.ts'
import { filledIn, placeOf, variablesOf } from './place.ts'
import type { Reporter } from './reporter.ts'
import { runCommand } from './shell.ts'

const LOOK_MS = 250
const WATCH_LOOK_MS = 2_000
/** The counts of a second are known that much later, ms. */
const COUNTED_MS = 2_000
/** Time for a change to be in force in the whole fleet, ms. */
const APPLY_MS = 30_000

export interface StepOptions extends Limits {
  readonly exec: string
  /** How long requests are waited for that are in flight, ms. */
  readonly drainTimeout: number
  /** How long a server may take to be up after the command, ms. */
  readonly upTimeout: number
  /** How long a server is compared with the others, ms. */
  readonly watch: number
  readonly force: boolean
}

/** Why a roll has stopped at a server. */
export class RollFailure extends Error {
  /** Whether the server is out of traffic. */
  readonly isOut: boolean
  readonly isLate: boolean

  constructor(message: string, isOut: boolean, isLate = false) {
    super(message)
    this.isOut = isOut
    this.isLate = isLate
  }
}

/** What all servers of a roll have in common. */
export interface RollContext {
  readonly session: Session
  readonly options: StepOptions
  readonly journal: Journal
  readonly reporter: Reporter
  readonly interrupt: Interrupt
}

/**
 * Rolls one server: takes it out, waits until it is idle in the whole fleet, runs the command, puts it back, waits until
 * it is up, and compares it with the others. Throws RollFailure.
 */
export class ServerRoll {
  private readonly server: Server
  private readonly context: RollContext

  constructor(server: Server, context: RollContext) {
    this.server = server
    this.context = context
  }

  async run(): Promise<void> {
    await this.drain()
    await this.execute()
    await this.comeUp()
    await this.enable()
    await this.watch()
  }

  private async drain(): Promise<void> {
    const { session, options, journal, reporter } = this.context
    const { name } = this.server
    reporter.event(name, 'draining')
    const startedMs = performance.now()
    const reason = journal.reason(name, 'begun')
    const written = await this.attempt(false, () =>
      write(session, { wait: options.drainTimeout, reason, ...(options.force ? { force: true } : {}) }, (sent) =>
        session.client.servers.drain(name, { ...this.scope, ...sent }),
      ),
    )
    if (written.kind !== 'done') throw new RollFailure(written.why, true, written.kind === 'incomplete')
    reporter.event(name, 'drained', `in ${spoken(performance.now() - startedMs)}`)
  }

  private async execute(): Promise<void> {
    const { options, reporter, interrupt } = this.context
    const { name } = this.server
    const place = placeOf(this.server)
    const command = filledIn(options.exec, place)
    reporter.event(name, 'running', command)
    const startedMs = performance.now()
    const trouble = await runCommand(command, {
      variables: variablesOf(place),
      onLine: (line) => reporter.line(name, line),
      signal: interrupt.signal,
    })
    if (trouble !== null) throw new RollFailure(`${command} ${trouble}`, true)
    if (interrupt.isPressed) throw new RollFailure('Interrupted.', true)
    reporter.event(name, 'ran', `in ${spoken(performance.now() - startedMs)}`)
  }

  /** Waits for a health check after the command that finds the server up, at each instance. */
  private async comeUp(): Promise<void> {
    const { session, options, reporter, interrupt } = this.context
    const { name } = this.server
    const deadline = performance.now() + options.upTimeout
    const before = new Map<string, string | null>()
    for (;;) {
      const views = await this.attempt(true, () => this.views(session))
      const waiting = [...views].filter(([instance, view]) => {
        if (!before.has(instance)) before.set(instance, view?.lastProbe?.at ?? null)
        // Without health checks there is nothing to wait for.
        if (view === undefined || (view.health === 'unknown' && view.lastProbe === null)) return false
        const isFresh = view.lastProbe !== null && view.lastProbe.at !== before.get(instance)
        return !(isFresh && view.health === 'up' && view.lastProbe?.ok === true)
      })
      if (waiting.length === 0) break
      if (interrupt.isPressed) throw new RollFailure('Interrupted.', true)
      if (performance.now() > deadline) {
        const [instance, view] = waiting[0] ?? []
        const why = view?.lastProbe?.error ?? view?.health ?? 'unknown'
        const text = `it is not up after ${spoken(options.upTimeout)}: ${why}, as ${instance} sees it`
        throw new RollFailure(text, true, true)
      }
      await pause(LOOK_MS, interrupt.signal)
    }
    reporter.event(name, 'up')
  }

  private async enable(): Promise<void> {
    const { session, journal, reporter } = this.context
    const { name } = this.server
    const reason = journal.reason(name, 'done')
    const written = await this.attempt(true, () =>
      write(session, { wait: APPLY_MS, reason }, (sent) =>
        session.client.servers.enable(name, { ...this.scope, ...sent }),
      ),
    )
    if (written.kind === 'interrupted') throw new RollFailure(written.why, false)
    reporter.event(name, 'enabled', written.kind === 'incomplete' ? written.why : '')
  }

  /** Compares its errors and its p95 with those of the other servers of the pool. */
  private async watch(): Promise<void> {
    const { options, reporter, interrupt } = this.context
    const { name } = this.server
    if (options.watch === 0) return
    const startedMs = performance.now()
    const untilMs = startedMs + options.watch + COUNTED_MS
    for (;;) {
      await pause(Math.min(WATCH_LOOK_MS, Math.max(1, untilMs - performance.now())), interrupt.signal)
      if (interrupt.isPressed) throw new RollFailure('Interrupted.', false)
      const elapsedMs = performance.now() - startedMs
      const found = await this.compare(elapsedMs)
      if (found.trouble !== null) {
        await this.takeOut()
        throw new RollFailure(found.trouble, true)
      }
      if (performance.now() < untilMs) continue
      reporter.event(name, 'watched', found.text)
      return
    }
  }

  private async compare(elapsedMs: number): Promise<{ readonly trouble: string | null; readonly text: string }> {
    const { session, options } = this.context
    const { service, pool, name } = this.server
    // Before the roll it had no requests: a longer window has the same ones of it.
    const window = elapsedMs <= 12_000 ? '10s' : elapsedMs <= 62_000 ? '60s' : '5m'
    try {
      const { services } = await session.client.stats({ window, service })
      const all = services[0]?.pools.find((each) => each.name === pool)?.servers ?? []
      const own = all.find((each) => each.name === name)
      if (own === undefined) return { trouble: null, text: 'no requests' }
      const others = all.filter((each) => each.name !== name)
      return { trouble: troubleOf(own, others, options), text: figuresText(own) }
    } catch (error) {
      // A look that fails is made up for by the next one.
      if (error instanceof NoAnswerError) return { trouble: null, text: `not known: ${error.message}` }
      throw error
    }
  }

  /** Takes a server out again that does worse than the others. */
  private async takeOut(): Promise<void> {
    const { session, journal, reporter } = this.context
    const { name } = this.server
    try {
      const sent = { reason: journal.reason(name, 'failed'), ...this.scope }
      await session.client.servers.drain(name, sent)
      reporter.event(name, 'drained again')
    } catch (error) {
      if (!(error instanceof ApiError) && !(error instanceof NoAnswerError)) throw error
      throw new RollFailure(`it does worse than the others and could not be taken out again: ${error.message}`, false)
    }
  }

  /** The server as each live instance sees it; undefined = it was removed. */
  private async views(session: Session): Promise<ReadonlyMap<string, Server | undefined>> {
    const { client } = session
    const { instances } = await client.instances.list()
    const live = instances.filter((each) => each.live)
    const { name, service, pool } = this.server
    const entries = live.map(async (instance): Promise<[string, Server | undefined]> => {
      const { servers } = await client.at(instance.id).servers.get(name)
      return [instance.name, servers.find((each) => each.service === service && each.pool === pool)]
    })
    return new Map(await Promise.all(entries))
  }

  private get scope(): { readonly service: string; readonly pool: string } {
    const { service, pool } = this.server
    return { service, pool }
  }

  /** Turns refusals and missing answers into a failure of the roll. */
  private async attempt<T>(isOut: boolean, run: () => Promise<T>): Promise<T> {
    try {
      return await run()
    } catch (error) {
      if (error instanceof ApiError) throw new RollFailure(error.detail, isOut)
      if (error instanceof NoAnswerError) throw new RollFailure(error.message, isOut)
      throw error
    }
  }
}
