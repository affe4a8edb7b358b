/** `npm run attack`: one attack after the other at an instance, and says whether the others noticed. */
import { parseArgs } from 'node:util'
import { ATTACKS } from './attacks/all.ts'
import type { Attack } from './attacks/attack.ts'
import { siege } from './siege.ts'
import { brokenIn, header, quietRow, rowOf } from './verdict.ts'

const USAGE = `Usage: npm run attack -- [--seconds N] [--only TEXT]

Starts an instance with two workers and 1,024 descriptors a process, a server behind it, clients who behave, and attackers
in a process of their own: silent connections, heads and bodies byte by byte, floods, nonsense, wrong tokens. Each attack
runs for its part of the time; the table says what the others noticed, and what the processes took. No request of others
may fail, their p99 and the memory are bounded, and all is well right after it. Exit code: 0 so it was, 1 it was not,
2 unusable arguments.

  --seconds N   how long in all (default 120)
  --only TEXT   attacks with this text in their names
  --help        this text`

const EXIT = { kept: 0, broken: 1, unusable: 2 }
/** What recovering from an attack takes, of its part of the time. */
const RECOVERY_SHARE = 0.15
const BEFORE_MS = 2_000
const interrupted = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => interrupted.abort())
process.exit(await main())

async function main(): Promise<number> {
  const options = readOptions()
  if (typeof options === 'number') return options
  const { seconds, attacks } = options
  console.log(header())
  const result = await siege({
    attacks,
    attackMs: (seconds * 1000 * (1 - RECOVERY_SHARE)) / attacks.reduce((sum, { weight = 1 }) => sum + weight, 0),
    beforeMs: BEFORE_MS,
    onBefore: (before) => console.log(quietRow(before)),
    onRow: (row) => console.log(rowOf(row)),
    signal: interrupted.signal,
  })
  const broken = brokenIn(result)
  for (const promise of broken) console.log(`BROKEN: ${promise}`)
  console.log(broken.length === 0 ? 'All promises kept.' : `${broken.length} promises broken.`)
  return broken.length === 0 ? EXIT.kept : EXIT.broken
}

function readOptions(): { seconds: number; attacks: readonly Attack[] } | number {
  try {
    const { values } = parseArgs({
      options: {
        seconds: { type: 'string', default: '120' },
        only: { type: 'string', default: '' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    })
    if (values.help) {
      console.log(USAGE)
      return EXIT.kept
    }
    if (!/^[1-9]\d{0,5}$/.test(values.seconds)) throw new Error('--seconds must be a whole number from 1 to 999999')
    const attacks = ATTACKS.filter(({ name }) => name.includes(values.only))
    if (attacks.length === 0) throw new Error(`no attack has ${JSON.stringify(values.only)} in its name`)
    return { seconds: Number(values.seconds), attacks }
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n\n${USAGE}`)
    return EXIT.unusable
  }
}
