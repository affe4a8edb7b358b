/** `npm run chaos`: a fleet under load, with everything done to it, and says whether a promise was broken. */
import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type ChaosResult, chaos } from './chaos.ts'
import { LANES, planOf, shortPlan, without } from './plan.ts'
import { brokenIn, report } from './verdict.ts'

const KINDS: readonly string[] = Object.values(LANES).flat()

const USAGE = `Usage: npm run chaos -- [--seconds N] [--seed S] [--short] [--without KIND,…] [--keep]

Starts three instances of two workers each on a Redis (redis-server must be installed), example servers, clients at every
instance and operators who switch, shift, drain and enable. Meanwhile processes are killed and stopped, the network and
Redis fail, a clock is set wrong, disks are full, and configuration files are written anew while they are read. Only what
a killed process held may break; what was acknowledged has to be in the history; a server that was said to be drained
sees no request; and in the end all instances are equal. Exit code: 0 all promises kept, 1 one was broken, 2 unusable arguments.

  --seconds N   how long (default 180)
  --seed S      what happens when, and who says what: the seed of an earlier run makes the same plan again
  --short       each disturbance once, in about 20 s
  --without     kinds of disturbances to leave out: ${KINDS.join(', ')}
  --keep        write timeline and logs down even if all is well
  --help        this text`

const EXIT = { kept: 0, broken: 1, unusable: 2 }
const interrupted = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => interrupted.abort())
// What was abandoned may still have something to wait for.
process.exit(await main())

async function main(): Promise<number> {
  const options = readOptions()
  if (typeof options === 'number') return options
  const { seconds, seed, short, keep, leftOut } = options
  console.log(`seed ${seed}${short ? ', each disturbance once' : `, ${seconds} s`}`)
  const plan = without(short ? shortPlan(seed) : planOf(seed, seconds), leftOut)
  const result = await chaos({ seed, plan, ...(short ? {} : { mostMs: seconds * 1000 }), signal: interrupted.signal })
  const broken = brokenIn(result)
  console.log(report(result))
  for (const promise of broken) console.log(`BROKEN: ${promise}`)
  if (broken.length > 0 || keep) console.log(await writeDown(seed, result))
  console.log(
    broken.length === 0 ? 'All promises kept.' : `Promises were broken; --seed ${seed} makes the same plan again.`,
  )
  return broken.length === 0 ? EXIT.kept : EXIT.broken
}

/** Writes down all that is needed to find out why, and says where. */
async function writeDown(seed: number, result: ChaosResult): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), `cutover-chaos-${seed}-`))
  const { timeline, printed, unexplained, lies, wrong } = result
  await writeFile(join(folder, 'timeline.txt'), timeline.join('\n'))
  await writeFile(join(folder, 'broken.json'), JSON.stringify({ unexplained, lies, wrong }, null, 2))
  for (const [name, text] of Object.entries(printed)) await writeFile(join(folder, `${name}.log`), text)
  return `timeline and logs are in ${folder}`
}

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        seconds: { type: 'string', default: '180' },
        seed: { type: 'string', default: String(Math.floor(Math.random() * 1e9)) },
        short: { type: 'boolean', default: false },
        without: { type: 'string', default: '' },
        keep: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    })
    if (values.help) {
      console.log(USAGE)
      return EXIT.kept
    }
    const { short, keep } = values
    const leftOut = values.without.split(',').filter((kind) => kind !== '')
    const unknown = leftOut.find((kind) => !KINDS.includes(kind))
    if (unknown !== undefined) throw new Error(`there is no disturbance ${JSON.stringify(unknown)}`)
    const numbers = { seconds: wholeNumber('seconds', values.seconds), seed: wholeNumber('seed', values.seed) }
    return { ...numbers, short, keep, leftOut }
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n\n${USAGE}`)
    return EXIT.unusable
  }
}

function wholeNumber(name: string, text: string): number {
  if (/^[1-9]\d{0,9}$/.test(text)) return Number(text)
  throw new Error(`--${name} must be a whole number from 1 on, not ${JSON.stringify(text)}`)
}
