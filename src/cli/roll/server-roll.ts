import type { Server } from '../../client/create-client.ts'
import { ApiError, NoAnswerError } from '../../client/create-client.ts'
import { spoken } from '../durations.ts'
import { inOptions, isTemporary } from '../failure.ts'
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
/** Windows of the figures, the longest first, ms. */
const WINDOWS = [
  ['5m', 300_000],
  ['60s', 60_000],
  ['10s', 10_000],
] as const
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
  /** Whether the servers have health checks. */
  readonly isChecked: boolean
}

/**
 * Rolls one server: takes it out, waits until it is idle in the whole fleet, runs the command, puts it back, waits until
 * it is up, and compares it with the others. Throws RollFailure.
 */
export class ServerRoll {
  private readonly server: Server
  private readonly context: RollContext
  /** When it got no requests any more, monotonic ms. */
  private idleAtMs = 0

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
    if (written.kind !== 'done')
      throw new RollFailure(written.why, written.revision !== null, written.kind === 'incomplete')
    this.idleAtMs = performance.now()
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
    const { session, options, reporter, interrupt, isChecked } = this.context
    const { name } = this.server
    const deadline = performance.now() + options.upTimeout
    const before = new Map<string, string | null>()
    for (;;) {
      const views = await this.views(session)
      const waiting = views.filter((view) => {
        const { lastProbe = null } = view.server ?? {}
        if (view.server !== null && !before.has(view.instance)) before.set(view.instance, lastProbe?.at ?? null)
        return !(isChecked ? isUp(view, before.get(view.instance) ?? null) : view.server !== null)
      })
      if (views.length > 0 && waiting.length === 0) break
      if (interrupt.isPressed) throw new RollFailure('Interrupted.', true)
      if (performance.now() > deadline) {
        const [first] = waiting
        const why = first === undefined ? 'no instance answers' : `${troubleIn(first)}, as ${first.instance} sees it`
        throw new RollFailure(`it is not up after ${spoken(options.upTimeout)}: ${why}`, true, true)
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
    // Figures of the shortest window are those of before as long as it reaches back to then.
    const [, shortestMs] = WINDOWS[WINDOWS.length - 1] as (typeof WINDOWS)[number]
    const untilMs = Math.max(performance.now() + options.watch, this.idleAtMs + shortestMs) + COUNTED_MS
    for (;;) {
      await pause(Math.min(WATCH_LOOK_MS, Math.max(1, untilMs - performance.now())), interrupt.signal)
      if (interrupt.isPressed) throw new RollFailure('Interrupted.', false)
      const isLast = performance.now() >= untilMs
      const found = await this.attempt(false, () => this.compare())
      const trouble = found.trouble ?? (await this.troubleOfHealth())
      if (trouble !== null) await this.takeOut(trouble)
      if (!isLast) continue
      reporter.event(name, 'watched', found.text)
      return
    }
  }

  /** Why it gets no requests, as an instance sees it: then there is nothing to compare. Null = it gets some. */
  private async troubleOfHealth(): Promise<string | null> {
    const views = await this.views(this.context.session)
    const ill = views.find(({ server }) => server?.health === 'down' || server?.health === 'ejected')
    if (ill === undefined) return null
    if (ill.server?.health === 'ejected') return `${ill.instance} has ejected it, since requests failed there`
    return `it is down: ${troubleIn(ill)}, as ${ill.instance} sees it`
  }

  private async compare(): Promise<{ readonly trouble: string | null; readonly text: string }> {
    const { session, options } = this.context
    const { service, pool, name } = this.server
    const newForMs = performance.now() - this.idleAtMs - COUNTED_MS
    const window = WINDOWS.find(([, ms]) => ms <= newForMs)?.[0]
    if (window === undefined) return { trouble: null, text: '' }
    try {
      const { services } = await session.client.stats({ window, service })
      const all = services[0]?.pools.find((each) => each.name === pool)?.servers ?? []
      const own = all.find((each) => each.name === name)
      if (own === undefined) return { trouble: null, text: 'no requests' }
      const others = all.filter((each) => each.name !== name)
      return { trouble: troubleOf(own, others, options), text: figuresText(own) }
    } catch (error) {
      // A look that fails is made up for by the next one.
      if (isTemporary(error)) return { trouble: null, text: `not known: ${error.message}` }
      throw error
    }
  }

  /** Takes a server out again that does worse than the others. Throws RollFailure. */
  private async takeOut(trouble: string): Promise<never> {
    const { session, journal, reporter } = this.context
    const { name } = this.server
    const reason = journal.reason(name, 'failed')
    try {
      await session.client.servers.drain(name, { reason, ...this.scope })
    } catch (error) {
      if (!(error instanceof ApiError) && !(error instanceof NoAnswerError)) throw error
      throw new RollFailure(`${trouble}; it could not be taken out again: ${inOptions(error.message)}`, false)
    }
    reporter.event(name, 'drained again')
    throw new RollFailure(trouble, true)
  }

  /** The server as each live instance sees it; empty = no instance answers. Throws RollFailure. */
  private async views({ client }: Session): Promise<readonly View[]> {
    const { name, service, pool } = this.server
    const seen = async (instance: { readonly id: string; readonly name: string }): Promise<View> => {
      const { servers } = await client.at(instance.id).servers.get(name)
      const server = servers.find((each) => each.service === service && each.pool === pool)
      if (server === undefined) throw new RollFailure('it was removed meanwhile', false)
      return { instance: instance.name, server }
    }
    return this.attempt(true, async () => {
      const { instances } = (await unlessTemporary(client.instances.list())) ?? { instances: [] }
      const live = instances.filter(({ live, self, address }) => live && (self || address !== ''))
      return Promise.all(
        live.map(
          async (instance) => (await unlessTemporary(seen(instance))) ?? { instance: instance.name, server: null },
        ),
      )
    })
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
      if (error instanceof ApiError) throw new RollFailure(inOptions(error.detail), isOut)
      if (error instanceof NoAnswerError) throw new RollFailure(error.message, isOut)
      throw error
    }
  }
}

/** The server as an instance sees it; null = the instance does not answer: it may be about to be found gone. */
interface View {
  readonly instance: string
  readonly server: Server | null
}

/** Whether a health check later than the one at `before` has found the server up. */
function isUp({ server }: View, before: string | null): boolean {
  if (server === null) return false
  const { health, lastProbe } = server
  return health === 'up' && lastProbe !== null && lastProbe.ok && lastProbe.at !== before
}

function troubleIn({ server }: View): string {
  if (server === null) return 'no answer'
  return server.lastProbe?.error ?? server.health
}

/** The outcome of a call; undefined = it has failed, and may succeed later. */
async function unlessTemporary<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call
  } catch (error) {
    if (isTemporary(error)) return undefined
    throw error
  }
}
