import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Ran, runCutover } from './support.ts'

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cutover-simulate-'))
})
afterAll(() => rm(folder, { recursive: true }))

const simulate = (args: readonly string[], input = ''): Promise<Ran> =>
  runCutover(['rollout', 'simulate', ...args], { cwd: folder, input })

describe('random traffic', () => {
  test('what is found, how soon, and false alarms are those of docs/rollouts.md', async () => {
    const weights = ['--weights', '5,10,25,50', '--runs', '1000']
    const run = async (rate: number, ratios: string) => {
      const { code, stdout } = await simulate(['--rate', String(rate), '--ratio', ratios, ...weights, '--json'])
      expect(code).toBe(0)
      return JSON.parse(stdout)
    }
    const [busy, quiet] = await Promise.all([run(200, '3,5,200'), run(2, '10,200')])
    expect(busy.found.map(({ probability }: { probability: number }) => probability)).toEqual([1, 1, 1])
    const medians = (of: typeof busy) => of.found.map(({ medianSeconds }: { medianSeconds: number }) => medianSeconds)
    const [three, five, all] = medians(busy)
    expect(Math.abs(three - 220)).toBeLessThanOrEqual(20)
    expect(Math.abs(five - 75)).toBeLessThanOrEqual(5)
    expect(all).toBe(15)
    expect(Math.abs(quiet.found[0].probability - 0.8)).toBeLessThan(0.06)
    expect(Math.abs(medians(quiet)[1] - 65)).toBeLessThanOrEqual(5)
    expect([busy.falseAlarms, quiet.falseAlarms].every((share) => share <= 0.005)).toBe(true)
  })

  test('prints a table: found by the end of each weight, and at most how many false alarms', async () => {
    const { code, stdout, stderr } = await simulate([
      ...['--rate', '200', '--weights', '5,25,50', '--error-rate', '0.5%', '--ratio', '3', '--runs', '500'],
    ])
    expect([code, stderr]).toEqual([0, ''])
    expect(stdout).toMatch(
      /^200 requests per second, 0\.5 % of them bad; 5, 25, 50 % for 5m each; normal; 500 rollouts/,
    )
    expect(stdout).toMatch(/^3 times as often +100 % +3m \d+s +7\d\.?\d* % +(99|100)[.\d]* % +100 %$/m)
    expect(stdout).toMatch(/^False alarms: 0[.\d]* % .*\(at most [01]\.\d+ %/m)
  })

  test.for([
    [[], 'say how many requests come: --rate 200'],
    [['--rate', '0'], 'Expected a number from 0.01'],
    [['--rate', '5', '--weights', '5,x'], 'Expected a percentage'],
    [['--rate', '5', '--step-duration', '1s'], 'at least one --tick'],
  ] as const)('%j: exit code 2', async ([args, said]) => {
    const { code, stdout, stderr } = await simulate(args)
    expect([code, stdout, stderr]).toEqual([2, '', expect.stringContaining(said)])
  })
})

describe('recorded ticks', () => {
  const tick = (bad: number, stableBad: number): string =>
    JSON.stringify({ canary: { requests: 50, bad }, stable: { requests: 950, bad: stableBad } })

  test('a canary that fails, with the tick at which it does', async () => {
    const lines = [...Array(10).fill(tick(0, 5)), ...Array(20).fill(tick(5, 5))]
    const file = join(folder, 'ticks.jsonl')
    await writeFile(file, `${lines.join('\n')}\n\n`)
    const { code, stdout } = await simulate(['--ticks', file])
    expect([code, stdout]).toEqual([
      0,
      expect.stringMatching(/^The canary fails at tick 1[2-4] of 30, after 1m( \d+s)?; bad /),
    ])
    const json = JSON.parse((await simulate(['--ticks', file, '--json', '--sensitivity', 'high'])).stdout)
    expect(json).toMatchObject({ threshold: 1_000, failedAt: expect.any(Number) })
    expect(json.evidence).toHaveLength(json.failedAt)
    expect(json.evidence.at(-1)).toBeGreaterThanOrEqual(1_000)
  })

  test('an incident that both pools share fails no canary', async () => {
    const lines = [...Array(10).fill(tick(0, 5)), ...Array(20).fill(tick(5, 95))]
    const { code, stdout } = await simulate(['--ticks', '-'], lines.join('\n'))
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^30 ticks: the canary does not fail; the most evidence/)])
  })

  test('lines that are none: exit code 2, with the number of each', async () => {
    const bad = '{"canary": {"requests": 1, "bad": 2}, "stable": {"requests": 5, "bad": 0}}'
    const { code, stderr } = await simulate(['--ticks', '-'], `${tick(0, 0)}\nno\n${bad}\n`)
    expect(code).toBe(2)
    expect(stderr.split('\n').map((line) => line.slice(0, 17))).toEqual(['error: -:2: expec', '-:3: expected {"c', ''])
    expect((await simulate(['--ticks', '-'])).stderr).toContain('has no ticks')
  })
})
