import { afterEach, expect, test } from 'vitest'
import { Cutover } from '../support/cutover.ts'
import { Load } from '../support/load.ts'
import { until } from '../support/until.ts'
import { endAll, endWithAll, isAlive, pids, pool, processes, upstream } from './support.ts'

afterEach(endAll)

/** Makes lines of the access log so long that pipe and buffers of two workers hold only about 300 of them. */
const LONG_PATH = `/${'x'.repeat(7_500)}`

interface Setting {
  readonly workers: number
  /** Called with the instance once it is ready, to change standard output and standard error. */
  readonly outputs: (cutover: Cutover) => void
}

async function logging({ workers, outputs }: Setting): Promise<{ cutover: Cutover; load: Load }> {
  const services = { shop: { pools: { blue: pool(await upstream('blue1')) }, health: 'off' } }
  const cutover = await Cutover.start({ services, proxy: { workers } })
  endWithAll(() => cutover.stop('SIGKILL'))
  outputs(cutover)
  return { cutover, load: new Load({ url: `${cutover.proxy}${LONG_PATH}`, clients: 20, pauseMs: 0, names: ['blue1'] }) }
}

/** Stops reading standard output and standard error; the pipes stay open. */
function neglect({ process: { stdout, stderr } }: Cutover): void {
  for (const stream of [stdout, stderr]) {
    stream?.removeAllListeners('data')
    stream?.pause()
  }
}

async function dropped(cutover: Cutover): Promise<number> {
  const { body } = await cutover.api('GET', '/metrics')
  return Number(/^cutover_access_log_dropped_total (\d+)$/m.exec(body)?.[1])
}

test.each([0, 2])('unread logs delay neither requests nor the end of the process: workers %i', async (workers) => {
  const { cutover, load } = await logging({ workers, outputs: neglect })
  await load.more(1_500)
  await until(async () => (await dropped(cutover)) > 500)
  // Each signal adds a line to the log on standard error.
  for (let i = 0; i < 300; i++) cutover.process.kill('SIGHUP')
  await load.more(500)
  expect((await load.stop()).failures).toEqual({})
  cutover.process.kill('SIGTERM')
  const since = performance.now()
  expect(await cutover.exited).toEqual({ code: 0, signal: null })
  expect(performance.now() - since).toBeLessThan(20_000)
})

/** Memory of the process that needs most, bytes. */
async function memory(cutover: Cutover): Promise<number> {
  return Math.max(...(await processes(cutover)).map(({ memoryBytes }) => memoryBytes))
}

test.each([0, 2])('unread logs take a bounded amount of memory: workers %i', async (workers) => {
  const { cutover, load } = await logging({ workers, outputs: neglect })
  await load.more(5_000)
  const before = await memory(cutover)
  const droppedBefore = await dropped(cutover)
  // Kept, the lines of these requests would take 150 MB.
  await load.more(20_000)
  const growth = (await memory(cutover)) - before
  expect(await dropped(cutover)).toBeGreaterThan(droppedBefore + 15_000)
  expect(growth).toBeLessThan(40_000_000)
  expect((await load.stop()).failures).toEqual({})
  cutover.process.kill('SIGTERM')
  const since = performance.now()
  expect(await cutover.exited).toEqual({ code: 0, signal: null })
  expect(performance.now() - since).toBeLessThan(10_000)
})

test('workers with unread logs end with their supervisor', async () => {
  const { cutover, load } = await logging({ workers: 2, outputs: neglect })
  await load.more(1_500)
  await until(async () => (await dropped(cutover)) > 0)
  await load.stop()
  const children = [...(await pids(cutover, 'worker')), ...(await pids(cutover, 'control'))]
  cutover.process.kill('SIGKILL')
  await cutover.exited
  await until(() => !children.some(isAlive))
})

test('the instance keeps serving when the reader of its logs goes away', async () => {
  const { cutover, load } = await logging({
    workers: 2,
    outputs: ({ process: { stdout, stderr } }) => {
      stdout?.destroy()
      stderr?.destroy()
    },
  })
  await load.more(500)
  cutover.process.kill('SIGHUP')
  await until(async () => (await dropped(cutover)) > 100)
  expect((await load.stop()).failures).toEqual({})
  cutover.process.kill('SIGTERM')
  expect(await cutover.exited).toEqual({ code: 0, signal: null })
})
