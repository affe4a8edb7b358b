import { Chance } from '../support/chance.ts'

/** What may happen to the fleet, by lane: in a lane one comes after the other, and lanes run at once. */
export const LANES = {
  processes: ['killWorker', 'killControl', 'killSupervisor', 'killAll', 'stopControl', 'stopWorker'],
  network: ['cutRedis', 'freezeRedis', 'dropConnections', 'skewClock'],
  redis: ['killRedis', 'stopRedis', 'flushAll', 'flushScripts', 'spoilKeys', 'fillMemory', 'sleepRedis'],
  files: ['removeFolder', 'lockFolder', 'fillDisk', 'rewriteFile'],
} as const

export type LaneName = keyof typeof LANES
export const LANE_NAMES = Object.keys(LANES) as LaneName[]
export type Kind = (typeof LANES)[LaneName][number]

/** Something that is done to the fleet, and undone after a while where it lasts. */
export interface Step {
  readonly lane: LaneName
  readonly kind: Kind
  /** How long nothing happens in its lane before. */
  readonly pauseMs: number
  readonly lastsMs: number
  /** Which instance, where it concerns one. */
  readonly seat: number
  /** Decides what else there is to choose. */
  readonly variant: number
}

export type Plan = Readonly<Record<LaneName, readonly Step[]>>

/** Kinds that are over at once are not listed. */
const LASTS_MS: Partial<Record<Kind, readonly [least: number, most: number]>> = {
  killSupervisor: [100, 3_000],
  killAll: [100, 3_000],
  stopControl: [300, 6_000],
  stopWorker: [300, 4_000],
  cutRedis: [100, 5_000],
  freezeRedis: [100, 5_000],
  skewClock: [1_000, 8_000],
  killRedis: [50, 3_000],
  stopRedis: [50, 4_000],
  fillMemory: [300, 3_000],
  sleepRedis: [200, 4_000],
  removeFolder: [500, 5_000],
  lockFolder: [500, 5_000],
  fillDisk: [500, 5_000],
}
const SEATS = 3
const PAUSE_MS = [500, 4_000] as const
const SHORT = { pauseMs: 600, mostLastsMs: 1_500 }

/** Everything that will happen within so many seconds, and the same again from the same seed. */
export function planOf(seed: number, seconds: number): Plan {
  return lanes((lane, chance) => {
    const steps: Step[] = []
    let atMs = 0
    let round: Kind[] = []
    for (;;) {
      // Each kind has its turn before any comes again.
      if (round.length === 0) round = shuffled(LANES[lane], chance)
      const step = stepOf(lane, round.pop() as Kind, chance, chance.between(...PAUSE_MS))
      atMs += step.pauseMs + step.lastsMs
      if (atMs > seconds * 1000) return steps
      steps.push(step)
    }
  }, seed)
}

/** Each kind once, none for long. */
export function shortPlan(seed: number): Plan {
  return lanes((lane, chance) => {
    return shuffled<Kind>(LANES[lane], chance).map((kind) => {
      const step = stepOf(lane, kind, chance, SHORT.pauseMs)
      return { ...step, lastsMs: Math.min(step.lastsMs, SHORT.mostLastsMs) }
    })
  }, seed)
}

/** The same without some kinds: all that stays happens at the same distance from what was before it. */
export function without(plan: Plan, kinds: readonly string[]): Plan {
  const entries = LANE_NAMES.map((lane) => [lane, plan[lane].filter(({ kind }) => !kinds.includes(kind))])
  return Object.fromEntries(entries) as Plan
}

function lanes(stepsOf: (lane: LaneName, chance: Chance) => readonly Step[], seed: number): Plan {
  const chance = new Chance(seed)
  return Object.fromEntries(LANE_NAMES.map((lane) => [lane, stepsOf(lane, chance.fork())])) as unknown as Plan
}

function stepOf(lane: LaneName, kind: Kind, chance: Chance, pauseMs: number): Step {
  const lasts = LASTS_MS[kind]
  return {
    lane,
    kind,
    pauseMs,
    lastsMs: lasts === undefined ? 0 : chance.between(...lasts),
    seat: chance.between(0, SEATS - 1),
    variant: chance.between(0, 1_000_000),
  }
}

function shuffled<T>(from: readonly T[], chance: Chance): T[] {
  const rest = [...from]
  const order: T[] = []
  while (rest.length > 0) order.push(...rest.splice(chance.between(0, rest.length - 1), 1))
  return order
}
