import { type Command, Option } from 'commander'
import type { Client } from '../../../client/create-client.ts'
import { collect, readDuration, readPercent } from '../../options.ts'
import { readSettings } from '../../settings-file.ts'
import { Unusable } from '../../unusable.ts'

/** A rollout as the API is asked for it. */
export type Wanted = NonNullable<Parameters<Client['rollouts']['start']>[1]>

export interface WantedOptions {
  readonly file?: string
  readonly strategy?: Wanted['strategy']
  readonly setWeight?: readonly number[]
  /** Milliseconds. */
  readonly stepDuration?: number
  readonly approval?: true
  readonly replace?: true
}

/** What a file must not have, since it is no part of a rollout. */
const OF_REQUESTS: readonly string[] = ['wait', 'dryRun', 'signal', 'ifMatch', 'idempotencyKey']
const STEP_MS = 300_000

/** Adds the options that say what a rollout shall be. */
export function withWanted(command: Command): Command {
  return command
    .argument('<service>')
    .argument('[pool]', 'the pool that shall get the traffic; by default the one without a share, of two')
    .option('-f, --file <file>', 'keys of a rollout, in YAML or JSON; - is standard input')
    .addOption(
      new Option('--strategy <name>', 'by default that of the service, or canary').choices([
        'canary',
        'blueGreen',
        'rolling',
        'healthGate',
      ]),
    )
    .option('--set-weight <percents>', 'weights of your own, each judged: 1,10,50', collect(readPercent))
    .option('--step-duration <time>', 'how long each weight is judged; by default 5m, of rolling 1m', readDuration)
    .option('--approval', 'blueGreen: wait for an approval before the switch')
    .option('--replace', 'end a rollout that runs')
}

/** What is asked for: the keys of the file, and the options over them. Throws Unusable. */
export async function wantedOf(pool: string | undefined, options: WantedOptions): Promise<Wanted> {
  const { file, strategy, setWeight, stepDuration, approval, replace } = options
  if (strategy !== undefined && setWeight !== undefined)
    throw new Unusable('--set-weight is in place of a strategy; give one of the two')
  const settings = file === undefined ? {} : await readSettings(file)
  const strange = OF_REQUESTS.find((key) => settings[key] !== undefined)
  if (strange !== undefined) throw new Unusable(`${file}: ${strange} is no key of a rollout`)
  const { strategy: ofFile, steps, ...rest } = settings
  // A strategy takes the place of steps, and the other way round.
  const kept = { ...(ofFile === undefined ? {} : { strategy: ofFile }), ...(steps === undefined ? {} : { steps }) }
  return {
    ...rest,
    ...(strategy === undefined && setWeight === undefined ? kept : {}),
    ...(strategy === undefined ? {} : { strategy }),
    ...(setWeight === undefined ? {} : { steps: weightSteps(setWeight, stepDuration ?? STEP_MS) }),
    ...(setWeight !== undefined || stepDuration === undefined ? {} : { stepDuration: `${stepDuration}ms` }),
    ...(approval === true ? { approval } : {}),
    ...(pool === undefined ? {} : { to: pool }),
    ...(replace === true ? { concurrency: 'replace' } : {}),
  } as Wanted
}

/** As the strategy `canary` has them, with other weights. */
function weightSteps(weights: readonly number[], durationMs: number): NonNullable<Wanted['steps']> {
  return [
    { waitHealthy: {} },
    ...weights.flatMap((percent) => [{ setWeight: percent }, { analysis: { duration: `${durationMs}ms` } }]),
  ]
}
