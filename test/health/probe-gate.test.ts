import { expect, test } from 'vitest'
import { ProbeGate } from '../../src/health/probe-gate.ts'

/** Probes that end when the test ends them. */
function probes(gate: ProbeGate, count: number): { readonly begun: (() => void)[] } {
  const begun: (() => void)[] = []
  for (let i = 0; i < count; i++) gate.enter(() => new Promise((resolve) => begun.push(resolve)))
  return { begun }
}

test('a limited number of probes begins at once, the others in turn as those end', async () => {
  const { begun } = probes(new ProbeGate(), 3_000)
  const atOnce = begun.length
  expect(atOnce).toBeGreaterThan(10)
  expect(atOnce).toBeLessThan(1_000)
  for (let ended = 0; ended < 3_000; ended++) {
    begun[ended]?.()
    await Promise.resolve()
    await Promise.resolve()
    expect(begun.length).toBeGreaterThanOrEqual(Math.min(3_000, ended + 2))
    expect(begun.length - ended).toBeLessThanOrEqual(atOnce + 1)
  }
  expect(begun).toHaveLength(3_000)
})

test('a slow probe does not delay others', async () => {
  const { begun } = probes(new ProbeGate(), 1_000)
  const deadline = performance.now() + 20_000
  while (begun.length < 1_000 && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20))
  expect(begun).toHaveLength(1_000)
})
