import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { Chance } from '../../support/chance.ts'
import { judge } from '../../support/judge.ts'
import { Ledger } from '../../support/ledger.ts'
import { standingOf, untilQuiet } from '../../support/standing.ts'
import { SERVICES } from './commands.ts'
import { disturbProcesses, disturbWires } from './disturbances.ts'
import { operate } from './operators.ts'
import { Stage } from './stage.ts'

const SECONDS = Number(process.env.RANDOM_SECONDS ?? 15)
const SEED = Number(process.env.RANDOM_SEED ?? Math.floor(Math.random() * 1e9))
/** Set to have everything written down even if all is well: `RANDOM_KEEP=1`. */
const KEEPS = Boolean(process.env.RANDOM_KEEP)
const OPERATORS = ['ann', 'bob', 'cid', 'dot']
/**
 * After everything is back, every instance is to be current within this. Source: SPEC §6; twice that for a busy
 * machine.
 */
const CURRENT_MS = 4_000

test(
  'random commands at random instances under random disturbances: nothing is lost, doubled or made up',
  async () => {
    const stage = await Stage.start()
    try {
      const ledger = new Ledger()
      const chance = new Chance(SEED)
      const until = SECONDS * 1000
      const { seats } = stage
      const lane = () => ({ stage, seats, chance: chance.fork(), ledger, until })
      await Promise.all([
        ...OPERATORS.map((name) => operate({ ...lane(), name })),
        disturbWires(lane()),
        disturbProcesses(lane()),
      ])
      ledger.note('everything is as it should be again')
      const quietMs = await untilQuiet(seats)
      ledger.note(`quiet after ${quietMs?.toFixed(0)} ms`)
      const standings = await Promise.all(seats.map((seat) => standingOf(seat, SERVICES)))
      const violations = [
        ...ledger.wrong,
        ...(quietMs !== null && quietMs <= CURRENT_MS ? [] : [`instances were current only after ${quietMs} ms`]),
        ...judge(ledger.attempts, standings),
      ]
      console.log(summary(ledger, quietMs))
      if (violations.length > 0 || KEEPS) console.log(await keep(stage, ledger, standings, violations))
      expect(violations).toEqual([])
      // Of everything there was something, or nothing was tested.
      const least = SECONDS >= 15 ? 1 : 0
      expect(ledger.count('acknowledged')).toBeGreaterThanOrEqual(SECONDS)
      expect(ledger.count('refused')).toBeGreaterThanOrEqual(least)
      expect(ledger.disturbances).toBeGreaterThanOrEqual(least)
    } finally {
      await stage.stop()
    }
  },
  // Starting, healing and judging come on top.
  SECONDS * 1000 + 90_000,
)

function summary(ledger: Ledger, quietMs: number | null): string {
  const counts = (['acknowledged', 'refused', 'unknown'] as const).map((kind) => `${ledger.count(kind)} ${kind}`)
  const commands = new Set(ledger.attempts.map(({ reason }) => reason)).size
  const quiet = `quiet after ${quietMs?.toFixed(0)} ms`
  return `RANDOM_SEED=${SEED} RANDOM_SECONDS=${SECONDS}: ${commands} commands in ${ledger.attempts.length} attempts (${counts.join(', ')}), ${ledger.disturbances} disturbances, ${quiet}`
}

/** Writes down all that is needed to find out why, and says where. */
async function keep(stage: Stage, ledger: Ledger, standings: unknown, violations: readonly string[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), `cutover-random-violations-${SEED}-`))
  await writeFile(join(folder, 'violations.txt'), violations.join('\n'))
  await writeFile(join(folder, 'timeline.txt'), ledger.timeline.join('\n'))
  await writeFile(join(folder, 'standings.json'), JSON.stringify(standings, null, 2))
  for (const { name, printed } of stage.seats) await writeFile(join(folder, `${name}.log`), printed)
  return `timeline, standings and logs are in ${folder}`
}
