import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { brokenBySleep, proveFleet } from './fleet-proof.ts'
import { PLAIN } from './frontend.ts'

test('T1 in a fleet of three: switches through changing instances, the old servers stopped when drained: nothing is lost', async () => {
  const options = {
    protocol: PLAIN,
    instances: 3,
    workers: 2,
    clients: 18,
    switches: 6,
    applies: 12,
    redisSleepSeconds: 1,
  }
  const proof = await proveFleet(options)
  // How long a request takes is judged where the machine has nothing else to do.
  expect(proof.broken.filter((promise) => !promise.includes('p99'))).toEqual([])
  expect(proof).toMatchObject({ requestsFailed: 0, requestsSeenByDrained: 0, failures: {} })
  expect(proof.requestsSent).toBeGreaterThan(6 * 18)
  // Every server has had its turns.
  expect(Object.keys(proof.answers).sort()).toEqual(['blue1', 'blue2', 'green1', 'green2'])
  expect(proof.applying.underLoad).toMatchObject({ count: 12 })
  expect(proof.applying.underLoad.slowestMs).toBeLessThan(5_000)
  expect(proof.redisSleep?.during.completed).toBeGreaterThan(0)
})

test('what is broken while Redis sleeps is said', () => {
  const well = { completed: 1_000, failed: 0, p99Ms: 10 }
  const during = (change: Partial<typeof well>) =>
    brokenBySleep({ seconds: 10, before: well, during: { ...well, ...change } })
  expect(brokenBySleep(null)).toEqual([])
  expect(during({ p99Ms: 20 })).toEqual([])
  expect(during({ p99Ms: 20.1 })).toEqual(['while Redis slept, p99 was 20.1 ms, more than 20.0 ms'])
  expect(during({ failed: 1 })).toEqual(['1 requests failed while Redis slept'])
  expect(during({ completed: 0 })).toEqual(['no request was answered while Redis slept'])
})

test.each(['--instances 2', '--redis-sleep', '--fleet --kill-worker', '--fleet --instances 0'])(
  '%s is unusable',
  (line) => {
    const args = line.split(' ')
    const main = fileURLToPath(new URL('main.ts', import.meta.url))
    const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], { encoding: 'utf8' })
    expect(status).toBe(2)
    expect(stdout).toBe('')
    expect(stderr).toContain('Usage: npm run prove')
  },
)
