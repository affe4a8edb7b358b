import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { afterEach, expect, test } from 'vitest'
import { checker, endAll, silent, target, upstream } from './support.ts'

afterEach(endAll)

test('probes do not overlap; after one that outlasts its interval, the next begins at once', async () => {
  let busy = 0
  let most = 0
  const server = await upstream((_request, response) => {
    most = Math.max(most, ++busy)
    setTimeout(() => {
      busy--
      response.end()
    }, 20)
  })
  const { checks } = checker()
  checks.watch([target('a', server, { intervalMs: 5 })])
  await server.arrived(10)
  expect(most).toBe(1)
})

test('checks that begin together are spread over the interval after their first probe', async () => {
  const times = new Map<string, number[]>()
  const server = await upstream((request, response) => {
    const { url = '' } = request
    times.set(url, [...(times.get(url) ?? []), performance.now()])
    response.end()
  })
  let draws = 0
  const { checks } = checker({ random: () => (draws++ % 20) / 20 })
  const [count, intervalMs] = [20, 1000]
  checks.watch(Array.from({ length: count }, (_, i) => target(`${i}`, server, { intervalMs, path: `/${i}` })))
  await server.arrived(count)
  const firsts = [...times.values()].map(([first = 0]) => first)
  await server.arrived(2 * count)
  const seconds = [...times.values()].map(([, second = 0]) => second)
  expect(seconds).toHaveLength(count)
  expect(Math.max(...firsts) - Math.min(...firsts)).toBeLessThan(500)
  expect(Math.max(...seconds) - Math.min(...seconds)).toBeGreaterThan(700)
})

test.each([
  [0, 270],
  [1, 330],
])('the interval is from start to start, give or take a tenth: random %i → %i ms', async (random, dueMs) => {
  const starts: number[] = []
  const server = await upstream((_request, response) => {
    starts.push(performance.now())
    setTimeout(() => response.end(), 100)
  })
  const draws = [0]
  const { checks } = checker({ random: () => draws.shift() ?? random })
  checks.watch([target('a', server, { intervalMs: 300 })])
  await server.arrived(8)
  // The first interval is random. The median of the others, because timers on a busy machine are late at times.
  const intervals = starts.slice(2, 8).map((at, i) => at - (starts[i + 1] ?? 0))
  const median = intervals.sort((a, b) => a - b)[2] ?? 0
  // The server's clock starts a connect later than the checker's: some milliseconds either way.
  expect(median).toBeGreaterThan(dueMs - 20)
  expect(median).toBeLessThan(dueMs + 90)
})

test('stop aborts the current probe, and no other follows', async () => {
  const { server } = await silent()
  const { checks, changes } = checker()
  checks.watch([target('a', server)])
  await server.arrived(1)
  const closed = Promise.all([...server.sockets].map((socket) => once(socket, 'close')))
  checks.stop()
  await closed
  expect(changes).toEqual([])
  expect(checks.get('a').probed).toBe(false)
})

test('after stop nothing keeps the process alive', async () => {
  const script = `
    import { HealthChecker } from './src/health/checker.ts'
    const checks = new HealthChecker({ onChange: () => setImmediate(() => checks.stop()) })
    checks.change([${JSON.stringify(target('a', await upstream(), { intervalMs: 3_600_000 }))}])`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { timeout: 20_000 })
  expect(await once(child, 'exit')).toEqual([0, null])
})
