import type { Client, Server, Service } from '../../client/create-client.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { Interrupt } from '../interrupt.ts'
import { harmless } from '../output/text.ts'
import type { Session } from '../session.ts'
import { CannotDo, Unusable } from '../unusable.ts'
import { Journal, lastRoll } from './journal.ts'
import { filledIn, placeOf, quoted } from './place.ts'
import { Reporter } from './reporter.ts'
import { RollFailure, ServerRoll, type StepOptions } from './server-roll.ts'

const HISTORY = 1_000

export interface RollOptions extends StepOptions {
  readonly pool: string | undefined
  /** Only these servers; empty = all that are ready. */
  readonly servers: readonly string[]
  /** Number of servers at a time. */
  readonly parallel: number
  /** The first server alone. */
  readonly canaryFirst: boolean
  readonly resume: boolean
  readonly dryRun: boolean
  readonly reason: string | undefined
}

/** Rolls the servers of a pool one after the other; stops at the first failure with the rest untouched. */
export async function roll(session: Session, service: string, options: RollOptions): Promise<ExitCode> {
  const { client, terminal } = session
  const { pool, servers: all } = poolOf(await client.services.get(service), options.pool)
  const earlier = options.resume ? await earlierRoll(client, service, pool) : null
  const wanted = chosen(all, options.servers, pool)
  const isOurs = ({ name }: Server): boolean => earlier?.open.has(name) === true || options.servers.includes(name)
  const left = wanted.filter(({ name }) => earlier?.done.has(name) !== true)
  const todo = left.filter((server) => server.state === 'ready' || isOurs(server))
  for (const { name, state } of left.filter((server) => !todo.includes(server)))
    terminal.tell(`${name} is left alone: its state is ${state}. With --server ${name} it is rolled as well.`)
  if (todo.length === 0) {
    if (earlier !== null) terminal.tell(`Roll ${earlier.id} of ${service}/${pool} is complete: nothing is left to do.`)
    else throw new CannotDo(`Pool ${pool} of ${service} has no server in state ready.`)
    return EXIT.done
  }
  // A server that was taken out comes first.
  const ordered = [...todo.filter(({ state }) => state !== 'ready'), ...todo.filter(({ state }) => state === 'ready')]
  const names = ordered.map(({ name }) => name)
  if (options.dryRun) {
    for (const server of ordered) terminal.print(`${server.name}: ${filledIn(options.exec, placeOf(server))}`)
    return EXIT.done
  }

  const { resolved } = await client.services.definition(service)
  const isChecked = resolved?.health !== 'off'
  const journal = new Journal(pool, options.reason, earlier?.id ?? null)
  const reporter = new Reporter(session, names, wanted.length - left.length)
  const interrupt = new Interrupt()
  const complete = new Set<string>()
  const failures = new Map<string, RollFailure>()
  try {
    for (const batch of batchesOf(ordered, options.parallel, options.canaryFirst && earlier === null)) {
      await Promise.all(
        batch.map(async (server) => {
          try {
            await new ServerRoll(server, { session, options, journal, reporter, interrupt, isChecked }).run()
            complete.add(server.name)
          } catch (error) {
            if (!(error instanceof RollFailure)) throw error
            failures.set(server.name, error)
            reporter.event(server.name, 'failed', error.message)
          }
        }),
      )
      if (failures.size > 0 || interrupt.isPressed) break
    }
  } finally {
    interrupt.end()
  }
  const untouched = names.filter((name) => !complete.has(name) && !failures.has(name))
  if (session.isJson)
    terminal.printJson({
      event: 'end',
      roll: journal.id,
      complete: [...complete],
      failed: [...failures.keys()],
      out: [...failures].filter(([, { isOut }]) => isOut).map(([name]) => name),
      untouched,
    })
  if (failures.size === 0 && untouched.length === 0) {
    if (!session.isJson)
      terminal.print(`${terminal.paint('green', '✔')} ${service}/${pool}: ${names.join(', ')} rolled`)
    return EXIT.done
  }
  terminal.tell(...howToGoOn(service, pool, options, { complete, failures, untouched }).map(harmless))
  if (interrupt.isPressed) return EXIT.interrupted
  return [...failures.values()].every(({ isLate }) => isLate) ? EXIT.timedOut : EXIT.failed
}

interface Outcome {
  readonly complete: ReadonlySet<string>
  readonly failures: ReadonlyMap<string, RollFailure>
  readonly untouched: readonly string[]
}

/** How things stand after a roll that has stopped, and what to do. */
function howToGoOn(service: string, pool: string, { exec }: RollOptions, outcome: Outcome): string[] {
  const { complete, failures, untouched } = outcome
  const out = [...failures].filter(([, { isOut }]) => isOut).map(([name]) => name)
  const line = (what: string, names: readonly string[]): string[] =>
    names.length === 0 ? [] : [`${what} ${names.join(', ')}`]
  return [
    ...line('Complete:  ', [...complete]),
    ...line('Out of traffic:', out),
    ...line('Untouched: ', untouched),
    `Go on with the rest:  cutover roll ${service} --pool ${pool} --exec ${quoted(exec)} --resume`,
    ...out.map((name) => `Or put it back as it is:  cutover enable ${name} --service ${service} --pool ${pool}`),
  ]
}

/** The pool to roll: the one that is named, else the only one that gets requests. Throws Unusable. */
function poolOf(
  service: Service,
  named: string | undefined,
): { readonly pool: string; readonly servers: readonly Server[] } {
  const { name, pools, split } = service
  const known = pools.map((each) => each.name)
  if (named !== undefined && !known.includes(named))
    throw new Unusable(`Service ${name} has no pool ${named}. It has: ${known.join(', ')}.`)
  const withTraffic = known.filter((each) => (split[each] ?? 0) > 0)
  if (named === undefined && withTraffic.length !== 1)
    throw new Unusable(
      `${withTraffic.length === 0 ? 'No pool' : 'More than one pool'} of ${name} gets requests: say which one to roll, with --pool ${known.join('|')}.`,
    )
  const pool = named ?? (withTraffic[0] as string)
  return { pool, servers: pools.find((each) => each.name === pool)?.servers.filter(isThere) ?? [] }
}

function isThere({ state, dns }: Server): boolean {
  return state !== 'leaving' && dns?.vanishedAt === undefined
}

/** Throws Unusable. */
function chosen(all: readonly Server[], names: readonly string[], pool: string): readonly Server[] {
  const known = all.map(({ name }) => name)
  for (const name of names)
    if (!known.includes(name)) throw new Unusable(`Pool ${pool} has no server ${name}. It has: ${known.join(', ')}.`)
  return names.length === 0 ? all : all.filter(({ name }) => names.includes(name))
}

/** Throws CannotDo. */
async function earlierRoll(client: Client, service: string, pool: string) {
  const { history } = await client.services.history(service, { limit: HISTORY })
  const earlier = lastRoll(history, pool)
  if (earlier === null)
    throw new CannotDo(
      `The history of ${service} has no roll of pool ${pool} to resume. Begin one: leave out --resume.`,
    )
  return earlier
}

/** Servers that are rolled at once, in their order. */
function batchesOf(servers: readonly Server[], size: number, firstAlone: boolean): Server[][] {
  const first = firstAlone ? 1 : Math.min(size, servers.length)
  const batches = [servers.slice(0, first)]
  for (let at = first; at < servers.length; at += size) batches.push(servers.slice(at, at + size))
  return batches
}
