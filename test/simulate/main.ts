/** `npm run simulate`: how often and how soon the judge aborts rollouts, beside what is said of it. */
import { parseArgs } from 'node:util'
import { seededRandom } from '../../src/rollout/judge/seeded-random.ts'
import { worse } from './behaviours.ts'
import { differencesOf, mostOf, outcomeOf } from './outcome.ts'
import { type Oracle, type Scenario, scenarios } from './scenarios.ts'
import { simulateRollouts } from './simulated-rollouts.ts'

const USAGE = `Usage: npm run simulate -- [--runs N] [--seed N]

Simulates rollouts: requests that arrive at random, an error rate of 0.5 %, weights of 5, 10, 25 and 50 % for five minutes
each, judged every five seconds. Exit code: 0 all is as said, 1 something differs by more than three sigma, 2 unusable
arguments.

  --runs N   rollouts of each kind (default 4000)
  --seed N   of the random numbers (default 1)
  --help     this text`

const EXIT = { asSaid: 0, different: 1, unusable: 2 }
/** Healthy rollouts, and the share of them that may be aborted. */
const HEALTHY = { runs: 1_000, maxAborted: 0.01 }
const SENSITIVITIES = ['high', 'normal', 'strict'] as const

process.exitCode = main()

function main(): number {
  const options = readOptions()
  if (typeof options === 'number') return options
  const { runs, seed } = options
  const kinds = [...scenarios(seededRandom(seed)), ...healthyBySensitivity()]
  let different = 0
  console.log(row('rollout', 'rps', 'aborted', 'median', 'said'))
  for (const [i, scenario] of kinds.entries()) {
    const times = simulateRollouts(scenario, runs, seed + i)
    const differences = differencesOf(times, scenario.oracle)
    different += differences.length
    const { aborted, medianSeconds } = outcomeOf(times)
    const median = medianSeconds === null || aborted < runs / 100 ? '' : `${medianSeconds} s`
    const share = `${((aborted / runs) * 100).toFixed(2)} %`
    console.log(row(scenario.name, String(scenario.requestsPerSecond), share, median, said(scenario.oracle)))
    for (const each of differences) console.log(`    differs: ${each}`)
  }
  different += healthyRollouts(seed) ? 0 : 1
  console.log(different === 0 ? 'All is as said.' : `${different} figures differ by more than three sigma.`)
  return different === 0 ? EXIT.asSaid : EXIT.different
}

/** Healthy canaries with each sensitivity. */
function healthyBySensitivity(): Scenario[] {
  return SENSITIVITIES.flatMap((sensitivity) =>
    [200, 20].map((requestsPerSecond): Scenario => {
      // What `strict` may abort holds for any traffic, what the others may was found by simulation.
      const maxAborted = { high: 0.01, normal: 0.0013, strict: 0.0033 }[sensitivity]
      const oracle = { kind: 'healthy', maxAborted } as const
      return { name: `healthy, ${sensitivity}`, requestsPerSecond, behaviour: worse(1), sensitivity, oracle }
    }),
  )
}

/** Whether of a thousand healthy rollouts at 20 requests per second at most 1 % (and three sigma) are aborted. */
function healthyRollouts(seed: number): boolean {
  const times = simulateRollouts({ requestsPerSecond: 20, behaviour: worse(1) }, HEALTHY.runs, seed + 1_000)
  const { aborted } = outcomeOf(times)
  const most = Math.floor(mostOf(HEALTHY.runs, HEALTHY.maxAborted))
  console.log(`Of ${HEALTHY.runs} healthy rollouts ${aborted} were aborted (at most ${most}).`)
  return aborted <= most
}

function said(oracle: Oracle): string {
  if (oracle.kind === 'healthy') return `at most ${oracle.maxAborted * 100} %`
  const share = oracle.share === undefined ? '' : `, ${oracle.share * 100} %`
  return `${oracle.medianSeconds} s${share}`
}

function row(name: string, rps: string, aborted: string, median: string, oracle: string): string {
  return `${name.padEnd(38)} ${rps.padStart(4)} ${aborted.padStart(9)} ${median.padStart(7)}   ${oracle}`
}

function readOptions(): { runs: number; seed: number } | number {
  try {
    const { values } = parseArgs({
      options: {
        runs: { type: 'string', default: '4000' },
        seed: { type: 'string', default: '1' },
        help: { type: 'boolean', default: false },
      },
    })
    if (values.help) {
      console.log(USAGE)
      return EXIT.asSaid
    }
    const [runs, seed] = [Number(values.runs), Number(values.seed)]
    if (!Number.isSafeInteger(runs) || runs < 1)
      throw new Error(`--runs must be a whole number from 1, not ${values.runs}`)
    if (!Number.isSafeInteger(seed)) throw new Error(`--seed must be a whole number, not ${values.seed}`)
    return { runs, seed }
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n\n${USAGE}`)
    return EXIT.unusable
  }
}
