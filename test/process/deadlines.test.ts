import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'
import { Cutover } from '../support/cutover.ts'
import { endAll, endWithAll, pids, pool, upstream } from './support.ts'

afterEach(endAll)

test('the deadline of a drain holds when the control process is killed and the next one has a different clock', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'cutover-deadline-'))
  endWithAll(() => rm(folder, { recursive: true, force: true }))
  const clock = join(folder, 'clock')
  await writeFile(clock, '0')
  const blue1 = await upstream('blue1', (request) => request.resume())
  const blue2 = await upstream('blue2')
  const preload = new URL('../support/skewed-clock.ts', import.meta.url).href
  const cutover = await Cutover.start({
    services: { shop: { pools: { blue: pool(blue1, blue2) }, balance: 'roundRobin', drain: { timeout: '4s' } } },
    proxy: { workers: 2 },
    env: { NODE_OPTIONS: `--import=${preload}`, SKEWED_CLOCK: clock },
  })
  endWithAll(() => cutover.stop('SIGKILL'))
  const cut = new Promise<number>((resolve) => {
    for (let i = 0; i < 4; i++) {
      const asked = fetch(cutover.proxy).then(({ status }) => status === 504 && resolve(performance.now()))
      asked.catch(() => undefined)
    }
  })
  await blue1.arrived(1)

  const [control = 0] = await pids(cutover, 'control')
  const since = performance.now()
  expect((await cutover.api('POST', '/api/servers/blue1/drain')).status).toBe(200)
  process.kill(control, 'SIGKILL')
  await writeFile(clock, String(3_600_000))
  await vi.waitFor(async () => expect(await pids(cutover, 'control')).not.toContain(control), 30_000)
  const tookMs = (await cut) - since
  expect(tookMs).toBeGreaterThan(3_000)
  expect(tookMs).toBeLessThan(40_000)
})

test('shutdown times that add up to more than the max of a Node timer do not end the instance at once', async () => {
  const blue1 = await upstream('blue1')
  const cutover = await Cutover.start({
    services: { shop: { pools: { blue: pool(blue1) } } },
    proxy: { workers: 1 },
    shutdown: { acceptFor: '24d', timeout: '24d' },
  })
  endWithAll(() => cutover.stop('SIGKILL'))
  cutover.process.kill('SIGTERM')
  while ((await fetch(`${cutover.admin}/ready`)).status !== 503) await new Promise((resolve) => setTimeout(resolve, 20))
  const hasEnded = cutover.exited.then(() => true)
  const later = new Promise<false>((resolve) => setTimeout(resolve, 500, false))
  expect(await Promise.race([hasEnded, later])).toBe(false)
  expect(await (await fetch(cutover.proxy)).text()).toBe('blue1')
  cutover.process.kill('SIGTERM')
  await cutover.exited
})

test('a reload changes no shutdown time of an instance that runs', async () => {
  const slow = await upstream('blue1', (_request, response) => {
    setTimeout(() => response.end('done'), 8_000)
  })
  const services = { shop: { pools: { blue: pool(slow) }, health: 'off' } }
  const options = { services, proxy: { workers: 1 }, shutdown: { timeout: '60s' } }
  const cutover = await Cutover.start(options)
  endWithAll(() => cutover.stop('SIGKILL'))
  const answer = fetch(cutover.proxy)
  await slow.arrived(1)
  await cutover.configure({ ...options, shutdown: { timeout: '100ms' } })
  const reload = await cutover.api('POST', '/api/config/reload')
  expect(reload.body.needRestart).toEqual(['shutdown.timeout'])
  cutover.process.kill('SIGTERM')
  expect(await (await answer).text()).toBe('done')
  expect(await cutover.exited).toEqual({ code: 0, signal: null })
})
