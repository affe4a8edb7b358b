import { stripVTControlCharacters } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { until } from '../support/until.ts'
import { CliStage } from './cli-stage.ts'
import { PseudoTerminal } from './pseudo-terminal.ts'

const CTRL_C = '\u0003'
const ESCAPE = '\u001b'

const stage = new CliStage()
beforeAll(async () => {
  await stage.start()
  for (const name of ['shop', 'checkout', 'legacy-backend']) await stage.service(name)
})
afterAll(() => stage.stop())

const terminal = (args: readonly string[], env: Readonly<Record<string, string>> = {}): PseudoTerminal =>
  new PseudoTerminal(args, { CUTOVER_ADMIN: stage.admin, ...env })

const widest = (text: string): number =>
  Math.max(
    ...stripVTControlCharacters(text)
      .split('\n')
      .map((line) => [...line].length),
  )

test.for([
  [['status']],
  [['status', 'legacy-backend']],
  [['history']],
  [['explain', 'legacy-backend']],
  [['instances']],
] as const)('%j fits 80 columns, in colours', async ([args]) => {
  const shown = terminal(args)
  const { code } = await shown.end()
  expect([code, widest(shown.written) <= 80]).toEqual([0, true])
  expect(shown.written).toContain(`${ESCAPE}[`)
  expect(stripVTControlCharacters(shown.written)).not.toContain('…')
})

test('NO_COLOR has no colours on a terminal either', async () => {
  const shown = terminal(['status'], { NO_COLOR: '1' })
  expect((await shown.end()).code).toBe(0)
  expect(shown.written).not.toContain(ESCAPE)
})

test('top overwrites its table with each look, and clears nothing first; q ends it with 0', async () => {
  const shown = terminal(['top', '--interval', '200ms'])
  await until(() => shown.frames.length >= 3)
  shown.type('q')
  const { code, isRestored } = await shown.end()
  expect([code, isRestored]).toEqual([0, true])
  expect(shown.written).not.toContain(`${ESCAPE}[2J`)
  expect(shown.written).toMatch(/\[\d+A\r/)
  for (const frame of shown.frames) {
    expect(widest(frame)).toBeLessThanOrEqual(80)
    expect(frame).toMatch(/SERVICE +POOL +SHARE +UP +RATE +ERRORS +P50 +P95 +IN FLIGHT/)
    expect(frame).toMatch(/\n {5,}blue +100 % +2\/2 +[\d.]+\/s/)
  }
})

test('top: Ctrl-C ends it with 130, and the cursor and the lines are back', async () => {
  const shown = terminal(['top'])
  await shown.shows(/legacy-backend/)
  shown.type(CTRL_C)
  const { code, isRestored } = await shown.end()
  expect([code, isRestored]).toEqual([130, true])
  expect(shown.written).toContain(`${ESCAPE}[?25h`)
})

test('events -f prints each as it happens; Ctrl-C ends it', async () => {
  const shown = terminal(['events', '-f', '--service', 'shop', '-n', '1'])
  await shown.shows(/shop/)
  await stage.run(['switch', 'shop', '--reason', 'release 4'])
  await shown.shows(/[-\d]{10} [:\d]{8} {2}change +shop switch: blue 100 → green 100; by local; release 4/)
  shown.type(CTRL_C)
  expect((await shown.end()).code).toBe(130)
})

test('rollout get -w draws the tree in place until it has ended', async () => {
  const steps = [{ setWeight: 10 }, { pause: { name: 'qa' } }]
  expect((await stage.shop.api('POST', '/api/services/checkout/rollouts', { to: 'green', steps })).status).toBe(201)
  const shown = terminal(['rollout', 'get', 'checkout', '-w'])
  await shown.shows(/Paused \(Gate\)/)
  await stage.run(['rollout', 'abort', 'checkout'])
  expect((await shown.end()).code).toBe(0)
  expect(shown.frames.at(-1)).toContain('Aborted')
  expect(widest(shown.frames.at(-1) ?? '')).toBeLessThanOrEqual(80)
})

test('a write that waits has one line of progress, which is gone at the end', async () => {
  await stage.hold('legacy-backend')
  const shown = terminal(['switch', 'legacy-backend', '--wait', '30s'])
  await shown.shows(/in force: blue has 1 request in flight/)
  stage.shop.held.release()
  expect((await shown.end()).code).toBe(0)
  const [, result] = shown.written.split(`\r${ESCAPE}[K`).slice(-2)
  expect(stripVTControlCharacters(result ?? '')).toMatch(/^✔ legacy-backend: all requests to green; blue drained/)
})
