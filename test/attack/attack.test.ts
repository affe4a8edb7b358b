import { expect, test } from 'vitest'
import { ATTACKS } from './attacks/all.ts'
import { siege } from './siege.ts'
import { brokenIn, header, quietRow, rowOf } from './verdict.ts'

/** What takes longer to show is for `npm run attack`. */
const ATTACK_MS = 500
const BEFORE_MS = 700

test.runIf(process.platform === 'linux')(
  'one attack after the other: no request of others fails, and memory is bounded',
  async () => {
    const result = await siege({ attacks: ATTACKS, attackMs: ATTACK_MS, beforeMs: BEFORE_MS })
    // How long a request takes is judged where the machine has nothing else to do.
    const broken = brokenIn(result).filter((promise) => !/p99|recovered/.test(promise))
    if (broken.length > 0) console.log([header(), quietRow(result.before), ...result.rows.map(rowOf)].join('\n'))
    expect(broken).toEqual([])
    expect(result.rows).toHaveLength(ATTACKS.length)
    for (const { attack, counts } of result.rows) {
      expect(
        Object.values(counts).reduce((sum, count) => sum + count, 0),
        attack.name,
      ).toBeGreaterThan(0)
    }
  },
  300_000,
)
