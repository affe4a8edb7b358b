import { type Command, Option } from 'commander'
import { replayed } from '../../../rollout/judge/replay.ts'
import { seededRandom } from '../../../rollout/judge/seeded-random.ts'
import { failThreshold } from '../../../rollout/judge/sensitivity.ts'
import { type SimulatedPlan, simulatedRollouts } from '../../../rollout/judge/simulated-rollout.ts'
import { spoken } from '../../durations.ts'
import { EXIT, type ExitCode } from '../../exit-codes.ts'
import { collect, readDuration, readNumber, readPercent, withExamples } from '../../options.ts'
import { tableLines } from '../../output/table.ts'
import { act, type Session } from '../../session.ts'
import { Unusable } from '../../unusable.ts'
import { readTicks } from './tick-file.ts'
import { figure, percent } from './words.ts'

interface SimulateOptions {
  readonly rate?: number
  readonly weights?: readonly number[]
  readonly stepDuration?: number
  readonly errorRate?: number
  readonly ratio?: readonly number[]
  readonly sensitivity?: 'high' | 'normal' | 'strict'
  readonly allowedIncrease?: number
  readonly tick?: number
  readonly runs?: number
  readonly seed?: number
  readonly ticks?: string
}

const USUAL = {
  weights: [5, 25, 50],
  stepDuration: 300_000,
  errorRate: 0.5,
  ratio: [2, 3, 5, 10],
  sensitivity: 'normal',
  allowedIncrease: 1.25,
  tick: 5_000,
  runs: 2_000,
  seed: 1,
} as const

type Settings = Required<Omit<SimulateOptions, 'rate' | 'ticks'>>

const readRatio = readNumber(1, 1_000)

export function addSimulate(rollout: Command): void {
  const command = rollout
    .command('simulate')
    .description('what the judge finds, how probably and how soon: on random traffic, or on recorded ticks')
    .option('--rate <number>', 'requests per second of the whole service', readNumber(0.01, 1_000_000))
    .option('--weights <percents>', 'weights of the canary (default: 5,25,50)', collect(readPercent))
    .option('--step-duration <time>', 'how long each weight is judged (default: 5m)', readDuration)
    .option('--error-rate <percent>', 'share of bad requests at the stable pool (default: 0.5%)', readPercent)
    .option('--ratio <numbers>', 'how many times as often the canary fails (default: 2,3,5,10)', collect(readRatio))
    .addOption(
      new Option('--sensitivity <name>', 'of the judge (default: normal)').choices(['high', 'normal', 'strict']),
    )
    .option('--allowed-increase <number>', 'tolerated odds ratio (default: 1.25)', readNumber(1, 100))
    .option('--tick <time>', 'time between two looks (default: 5s)', readDuration)
    .option('--runs <number>', 'rollouts of each kind (default: 2000)', readNumber(100, 100_000, true))
    .option('--seed <number>', 'of the random numbers (default: 1)', readNumber(0, 2 ** 31, true))
    .option(
      '--ticks <file>',
      'judge these instead: JSON lines {canary: {requests, bad}, stable: {…}}; - is standard input',
    )
    .option('--json', 'print JSON')
  withExamples(command, [
    ['cutover rollout simulate --rate 200 --weights 5,25,50 --error-rate 0.5% --ratio 3', 'needs no Cutover that runs'],
    ['cutover rollout simulate --ticks ticks.jsonl --sensitivity strict', 'would this canary have failed?'],
  ])
  command.action(
    act<SimulateOptions>(async (session, _names, given) => {
      const options = { ...USUAL, ...given }
      if (options.ticks !== undefined) return replay(session, options.ticks, options)
      if (options.rate === undefined) throw new Unusable('say how many requests come: --rate 200, or give --ticks FILE')
      return simulate(session, options.rate, options)
    }),
  )
}

async function replay({ terminal, isJson }: Session, file: string, options: Settings): Promise<ExitCode> {
  const ticks = await readTicks(file)
  const threshold = failThreshold(options.sensitivity, ticks.length)
  const outcome = replayed(ticks, { allowedIncrease: options.allowedIncrease, threshold })
  const { failedAt, ratio, evidence } = outcome
  const needed = Math.round(Math.exp(threshold))
  if (isJson) {
    terminal.printJson({ ...outcome, threshold: needed })
    return EXIT.done
  }
  const worse = ratio === null ? '' : `; bad ${figure(ratio)} times as often as stable, by what was judged`
  const most = `the most evidence was ${figure(Math.max(...evidence))} of ${needed}`
  terminal.print(
    failedAt === null
      ? `${ticks.length} tick${ticks.length === 1 ? '' : 's'}: the canary does not fail; ${most}${worse}`
      : `The canary fails at tick ${failedAt} of ${ticks.length}, after ${spoken(failedAt * options.tick)}${worse}`,
  )
  return EXIT.done
}

/** What has become of the simulated rollouts of one kind. */
interface Found {
  readonly ratio: number
  /** Share of the rollouts that were aborted. */
  readonly probability: number
  /** Of these: how long half of them took at most, s; null = there are none. */
  readonly medianSeconds: number | null
  /** Share of the rollouts that were aborted by the end of each step. */
  readonly byStep: readonly number[]
}

function simulate({ terminal, isJson }: Session, rate: number, options: Settings): ExitCode {
  const { weights, stepDuration, tick, errorRate, runs, sensitivity, allowedIncrease, seed } = options
  if (errorRate === 0) throw new Unusable('--error-rate must be above 0: no number of times 0 is more')
  if (stepDuration < tick) throw new Unusable('--step-duration must be at least one --tick')
  const ticks = weights.length * Math.floor(stepDuration / tick)
  const plan: SimulatedPlan = {
    requestsPerSecond: rate,
    badRate: errorRate / 100,
    tickSeconds: tick / 1_000,
    steps: weights.map((weight) => ({ weight: weight / 100, seconds: stepDuration / 1_000 })),
    allowedIncrease,
    threshold: failThreshold(sensitivity, ticks),
  }
  const ratios = [...new Set([1, ...options.ratio])]
  const found = ratios.map((ratio) => foundOf(plan, ratio, runs, seed))
  if (isJson) {
    const [healthy, ...worse] = found
    terminal.printJson({
      falseAlarms: healthy?.probability,
      atMost: atMost(healthy?.probability ?? 0, runs),
      found: worse,
    })
    return EXIT.done
  }
  terminal.print(
    `${rate} requests per second, ${percent(errorRate)} of them bad; ${weights.join(', ')} % for ${spoken(stepDuration)} each; ${sensitivity}; ${runs} rollouts of each kind`,
    '',
    ...foundTable(found, options),
  )
  return EXIT.done
}

function foundOf(plan: SimulatedPlan, ratio: number, runs: number, seed: number): Found {
  const times = simulatedRollouts(plan, ratio, runs, seededRandom(seed))
  const aborted = times.filter(Number.isFinite)
  let end = 0
  const byStep = plan.steps.map(({ seconds }) => {
    end += seconds
    return aborted.filter((time) => time <= end).length / runs
  })
  return {
    ratio,
    probability: aborted.length / runs,
    medianSeconds: aborted[Math.ceil(aborted.length / 2) - 1] ?? null,
    byStep,
  }
}

function foundTable(found: readonly Found[], { weights, runs }: Settings): string[] {
  const heads = ['BAD REQUESTS', 'FOUND', 'HALF OF THEM WITHIN', ...weights.map((weight) => `BY END OF ${weight} %`)]
  const rows = found
    .filter(({ ratio }) => ratio !== 1)
    .map(({ ratio, probability, medianSeconds, byStep }) => [
      `${ratio} times as often`,
      percent(100 * probability),
      medianSeconds === null ? '' : spoken(medianSeconds * 1_000),
      ...byStep.map((share) => percent(100 * share)),
    ])
  const healthy = found.find(({ ratio }) => ratio === 1)?.probability ?? 0
  const numbers = heads.map((_, i) => i).slice(1)
  return [
    ...tableLines([heads, ...rows], numbers),
    '',
    `False alarms: ${percent(100 * healthy)} of the canaries that are as good (at most ${percent(100 * atMost(healthy, runs))}, with 95 % certainty).`,
  ]
}

/** Upper bound of a probability of which `share` was seen in so many runs (Wilson 1927; of none, the rule of three). */
function atMost(share: number, runs: number): number {
  if (share === 0) return 3 / runs
  const z2 = 1.645 ** 2 / runs
  return (share + z2 / 2 + Math.sqrt(z2 * (share * (1 - share) + z2 / 4))) / (1 + z2)
}
