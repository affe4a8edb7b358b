import { spawnSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { HistoryEntry } from '../../src/model/state.ts'
import type { Served } from './apps-process.ts'
import { Casualties, type Failure } from './casualties.ts'
import { judgeClaims } from './lies.ts'
import type { Claim } from './operator.ts'
import { LANES, planOf, shortPlan, without } from './plan.ts'

const KINDS = Object.values(LANES).flat()

describe('the plan', () => {
  test('is the same from the same seed, and another one from another', () => {
    expect(planOf(7, 60)).toEqual(planOf(7, 60))
    expect(planOf(7, 60)).not.toEqual(planOf(8, 60))
  })

  test('has each kind once in the short form, and what is left out is not in it', () => {
    const kinds = (plan: ReturnType<typeof planOf>) =>
      Object.values(plan).flatMap((steps) => steps.map(({ kind }) => kind))
    expect(kinds(shortPlan(1)).sort()).toEqual([...KINDS].sort())
    expect(kinds(without(shortPlan(1), ['flushAll', 'killRedis']))).toHaveLength(KINDS.length - 2)
  })
})

describe('what explains that a connection broke', () => {
  const failure: Failure = {
    ...{ id: 'one-1', seat: 'one', service: 'shop', port: 4_001 },
    ...{ openedAt: 100, sentAt: 200, failedAt: 300, cause: 'closed unanswered' },
  }

  test('the worker that held it was killed', () => {
    const casualties = new Casualties()
    casualties.worker('one', new Set([4_001]), 250)
    expect(casualties.explain(failure)).toBe('worker killed')
    expect(casualties.explain({ ...failure, port: 4_002 })).toBeNull()
    expect(casualties.explain({ ...failure, seat: 'two' })).toBeNull()
    // The port again, on a connection of later.
    expect(casualties.explain({ ...failure, openedAt: 280 })).toBeNull()
    expect(casualties.explain({ ...failure, failedAt: 200 })).toBeNull()
  })

  test('its instance was killed, until another one was in its place', () => {
    const casualties = new Casualties()
    const isBack = casualties.instance('one', 250)
    expect(casualties.explain({ ...failure, openedAt: 900, failedAt: 901, cause: 'not connected' })).toBe(
      'instance killed',
    )
    isBack(500)
    expect(casualties.explain(failure)).toBe('instance killed')
    expect(casualties.explain({ ...failure, openedAt: 900, failedAt: 901 })).toBeNull()
  })

  test('an answer that is wrong is explained by nothing', () => {
    const casualties = new Casualties()
    casualties.instance('one', 0)
    for (const cause of ['status 503', 'wrong answer: cart', 'malformed', 'surplus bytes']) {
      expect(casualties.explain({ ...failure, cause })).toBeNull()
    }
  })
})

describe('a lie about what is drained', () => {
  const claim: Claim = {
    ...{ service: 'shop', said: 'shop-2', revision: 5, afterCommand: 1, servers: ['shop/blue1'] },
    ...{ leftOut: [], at: 1_000, until: 2_000 },
  }
  const request = (at: number, until: number | null = at + 1): Served => ({
    ...{ server: 'shop/blue1', id: 'one-1', via: 'one' },
    ...{ at, until },
  })
  const lies = (claims: readonly Claim[], served: readonly Served[], reasons: readonly string[] = []) => {
    const entries = reasons.map((reason, i) => ({ revision: 6 + i, reason }) as HistoryEntry)
    return judgeClaims(claims, served, { shop: entries }, (id) => id === 'killed')
  }

  test('a request that comes after it, or was still under way', () => {
    expect(lies([claim], [request(1_500)]).lies).toHaveLength(1)
    expect(lies([claim], [request(900, 1_001)]).lies).toHaveLength(1)
    expect(lies([claim], [request(900, 999), request(2_001), request(900, null)]).lies).toEqual([])
    expect(lies([claim], [{ ...request(1_500), server: 'shop/green1' }]).lies).toEqual([])
  })

  test('is none through an instance that it left out, nor where the connection was killed', () => {
    expect(lies([{ ...claim, leftOut: ['one'] }], [request(1_500)]).lies).toEqual([])
    expect(lies([claim], [{ ...request(1_500), id: 'killed' }]).lies).toEqual([])
  })

  test('is not judged where an earlier command of unknown outcome was made after it', () => {
    expect(lies([claim], [request(1_500)], ['shop-1'])).toEqual({ lies: [], judged: 0 })
    expect(lies([claim], [request(1_500)], ['shop-3'])).toMatchObject({ judged: 1, lies: [{}] })
  })
})

test('a clock that is set wrong is wrong for Date alone, and can be set again while the process runs', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'cutover-clock-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const file = join(folder, 'clock')
  await writeFile(file, '60000')
  const script = `
    const before = performance.now()
    const shifts = [Date.now(), new Date().getTime(), Date.parse(Date())].map((ms) => Math.round((ms - performance.timeOrigin - performance.now()) / 10_000))
    require('node:fs').writeFileSync(process.env.SKEWED_CLOCK, '0')
    const timer = setInterval(() => {
      if (Math.abs(Date.now() - performance.timeOrigin - performance.now()) > 10_000) return
      clearInterval(timer)
      console.log(JSON.stringify([...shifts, new Date(5).getTime(), new Date() instanceof Date, performance.now() - before < 20_000]))
    }, 10)`
  const preload = fileURLToPath(new URL('../support/skewed-clock.ts', import.meta.url))
  const args = [`--import=${preload}`, '--input-type=commonjs', '-e', script]
  const { stdout, stderr } = spawnSync(process.execPath, args, {
    encoding: 'utf8',
    env: { ...process.env, SKEWED_CLOCK: file },
  })
  expect(stderr).toBe('')
  expect(JSON.parse(stdout)).toEqual([6, 6, 6, 5, true, true])
})

test.each([['--seconds 0'], ['--seed x'], ['--without nothing'], ['--minutes 3']])('%s is unusable', (line) => {
  const main = fileURLToPath(new URL('main.ts', import.meta.url))
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...line.split(' ')], { encoding: 'utf8' })
  expect([status, stdout]).toEqual([2, ''])
  expect(stderr).toContain('Usage: npm run chaos')
})
