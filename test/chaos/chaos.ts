import { setTimeout as delay } from 'node:timers/promises'
import { Chance } from '../support/chance.ts'
import { judge, judgeEqual, type Standing } from '../support/judge.ts'
import type { Ledger } from '../support/ledger.ts'
import { standingOf, untilQuiet } from '../support/standing.ts'
import type { Failure } from './casualties.ts'
import { Clients } from './clients.ts'
import { disturb } from './disturb.ts'
import { judgeClaims, type Lie } from './lies.ts'
import { Operator } from './operator.ts'
import type { Plan } from './plan.ts'
import { POOL_NAMES, SERVICES } from './services.ts'
import { Stage } from './stage.ts'

export interface ChaosOptions {
  readonly seed: number
  readonly plan: Plan
  /** On a busy machine a plan takes longer than planned: what would begin later than this is left out. Default: nothing. */
  readonly mostMs?: number
  /** Ends it early. */
  readonly signal?: AbortSignal
}

/** What came of it. */
export interface ChaosResult {
  readonly seconds: number
  readonly disturbances: Readonly<Record<string, number>>
  readonly sent: number
  readonly completed: number
  /** Broken connections by what killed them. */
  readonly explained: Readonly<Record<string, number>>
  readonly unexplained: readonly Failure[]
  readonly writes: Readonly<Record<'acknowledged' | 'refused' | 'unknown', number>>
  /** Of the state and its history, in words: lost writes among them. */
  readonly wrong: readonly string[]
  readonly claims: number
  readonly claimsJudged: number
  readonly lies: readonly Lie[]
  /** From when all was undone until all instances were equal; null: they never were. */
  readonly equalAfterMs: number | null
  readonly latency: { readonly p50Ms: number; readonly p99Ms: number; readonly slowestMs: number }
  readonly timeline: readonly string[]
  /** What the instances have printed. */
  readonly printed: Readonly<Record<string, string>>
}

/** How long the fleet is left to itself when all is undone, and when all have to be equal. */
const EQUAL_WITHIN_MS = 15_000
const SETTLE_MS = 1_500

/** Disturbs a fleet under load as planned, then has it come to rest, and tells how it went. */
export async function chaos(options: ChaosOptions): Promise<ChaosResult> {
  const stage = await Stage.start()
  try {
    return await run(stage, options)
  } finally {
    await stage.stop()
  }
}

async function run(stage: Stage, options: ChaosOptions): Promise<ChaosResult> {
  const { seed, plan, mostMs = Number.POSITIVE_INFINITY, signal = new AbortController().signal } = options
  const chance = new Chance(seed)
  const { ledger, seats, casualties } = stage
  const clients = new Clients(stage)
  const operators = SERVICES.map((name) => new Operator(stage, name, chance.fork()))
  const ending = new AbortController()
  const working = operators.map((operator) => operator.work(ending.signal))
  const disturbances = await disturb(stage, plan, mostMs, signal)
  ending.abort()
  await Promise.all(working)
  ledger.note('everything is as it should be again')
  const equalAfterMs = await untilEqual(stage)
  ledger.note(`all are equal after ${equalAfterMs?.toFixed(0)} ms`)
  await delay(SETTLE_MS)
  await finalSwitches(stage, operators)
  await clients.stop()
  const seconds = ledger.now() / 1000
  await untilQuiet(seats)
  const standings = (await standingsOf(stage)) ?? []
  for (const { name, cutover } of seats) {
    const { exitCode, signalCode } = cutover.process
    if (exitCode !== null || signalCode !== null)
      ledger.wrong.push(`${name} ended by itself (${signalCode ?? exitCode})`)
  }
  const explanations = Map.groupBy(clients.failures, (failure) => casualties.explain(failure))
  const unexplained = explanations.get(null) ?? []
  explanations.delete(null)
  const broken = new Set([...explanations.values()].flat().map(({ id }) => id))
  const claims = operators.flatMap((operator) => operator.claims)
  const histories = standings[0]?.histories ?? {}
  const served = await stage.apps.served()
  const judged = judgeClaims(claims, served, histories, (id) => broken.has(id))
  return {
    seconds,
    disturbances,
    sent: clients.sent,
    completed: clients.completed,
    explained: Object.fromEntries([...explanations].map(([why, all]) => [String(why), all.length])),
    unexplained,
    writes: writesOf(ledger),
    wrong: [...ledger.wrong, ...judge(ledger.attempts, standings)],
    claims: claims.length,
    claimsJudged: judged.judged,
    lies: judged.lies,
    equalAfterMs,
    latency: { ...clients.latencies.figures, slowestMs: clients.slowestMs },
    timeline: ledger.timeline,
    printed: Object.fromEntries(seats.map((seat) => [seat.name, seat.printed])),
  }
}

/** Resolves with how long it took until all have the same to say; null when they had not within the limit. */
async function untilEqual(stage: Stage): Promise<number | null> {
  const since = performance.now()
  do {
    const quietMs = await untilQuiet(stage.seats)
    if (quietMs === null) return null
    const [first, ...others] = (await standingsOf(stage)) ?? []
    if (first !== undefined && others.every((other) => judgeEqual(first, other).length === 0)) {
      return performance.now() - since
    }
  } while (performance.now() - since < EQUAL_WITHIN_MS)
  return null
}

/** What all instances say; null when one of them does not answer. */
function standingsOf({ seats, ledger }: Stage): Promise<Standing[] | null> {
  return Promise.all(seats.map((seat) => standingOf(seat, SERVICES))).catch((error: Error) => {
    ledger.note(`an instance does not answer: ${error.cause ?? error}`)
    return null
  })
}

/** A fleet that is well again does at once what it is told, at each instance, and leaves nobody out. */
async function finalSwitches(stage: Stage, operators: readonly Operator[]): Promise<void> {
  for (const seat of stage.seats) {
    for (const [i, service] of SERVICES.entries()) {
      for (const to of POOL_NAMES) {
        const answer = await operators[i]?.give(seat, { path: `/api/services/${service}/switch`, body: { to } }, '10s')
        if (answer?.status === 200 && answer.body.leftOut === undefined) continue
        const what = answer === null ? 'not answered' : `${answer?.status} ${JSON.stringify(answer?.body)}`
        stage.ledger.wrong.push(
          `when all was well, a switch of ${service} to ${to} at ${seat.name} was answered ${what}`,
        )
      }
    }
  }
}

function writesOf(ledger: Ledger): ChaosResult['writes'] {
  const [acknowledged, refused, unknown] = (['acknowledged', 'refused', 'unknown'] as const).map((kind) =>
    ledger.count(kind),
  )
  return { acknowledged: acknowledged ?? 0, refused: refused ?? 0, unknown: unknown ?? 0 }
}
