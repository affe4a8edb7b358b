import { readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterEach, expect, test } from 'vitest'
import { checkConfig } from '../../src/config/check-config.ts'
import { Instance } from '../../src/instance.ts'
import { LocalProxy } from '../../src/process/local-proxy.ts'
import { Cutover } from '../support/cutover.ts'
import { Load } from '../support/load.ts'
import { processesOf } from '../support/processes.ts'
import { RawConnection } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import type { Upstream } from '../support/upstream.ts'
import { endAll, endWithAll, isAlive, pids, pool, start, upstream } from './support.ts'

afterEach(endAll)

/** All descendants of a process. */
function descendants(pid: number): number[] {
  const children = readdirSync('/proc').flatMap((entry) => {
    const child = Number(entry)
    return Number.isInteger(child) && parentOf(child) === pid ? [child] : []
  })
  return [...children, ...children.flatMap(descendants)]
}

function parentOf(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return Number(stat.slice(stat.lastIndexOf(')')).split(' ')[2])
  } catch {
    return -1
  }
}

interface Starting {
  readonly cutover: Cutover
  readonly service: object
  /** Its TMPDIR. */
  readonly temporary: string
  /** Answers the health checks that the start waits for. */
  proceed(): void
}

/** Starts an instance that waits for the answer to its first health check. */
async function starting(workers: number): Promise<Starting> {
  const held: ServerResponse[] = []
  let isOpen = false
  const blue: Upstream = await upstream('blue1', (request, response) => {
    if (isOpen || request.url !== '/check') response.end('blue1')
    else held.push(response)
  })
  const temporary = await mkdtemp(join(tmpdir(), 'cutover-signals-'))
  endWithAll(() => rm(temporary, { recursive: true, force: true }))
  const service = { pools: { blue: pool(blue) }, health: { path: '/check', interval: '100ms' } }
  const cutover = await Cutover.launch({
    services: { shop: service },
    proxy: { workers },
    env: { TMPDIR: temporary },
  })
  endWithAll(() => cutover.stop('SIGKILL'))
  await until(() => held.length > 0, 20_000)
  const proceed = (): void => {
    isOpen = true
    for (const response of held.splice(0)) response.end('fine')
  }
  return { cutover, service, temporary, proceed }
}

test.each([0, 2])('signals during the start take effect once it is complete: workers %i', async (workers) => {
  const { cutover, service, proceed } = await starting(workers)
  await cutover.configure({ services: { shop: { ...service, paths: ['/', '/new'] } } })
  for (const signal of ['SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const) cutover.process.kill(signal)
  proceed()
  await cutover.ready()
  await until(async () => (await cutover.api('GET', '/api/services/shop')).body.paths[1] === '/new')
  cutover.process.kill('SIGTERM')
  expect(await cutover.exited).toEqual({ code: 0, signal: null })
  expect(cutover.stderr).not.toContain('Debugger')
})

test.each([0, 2])('SIGTERM during the start cancels it and leaves nothing behind: workers %i', async (workers) => {
  const { cutover, temporary } = await starting(workers)
  const children = descendants(cutover.process.pid as number)
  cutover.process.kill('SIGTERM')
  expect(await cutover.exited).toEqual({ code: 0, signal: null })
  expect(children.filter(isAlive)).toEqual([])
  expect(cutover.stdout).not.toContain('cutover ready')
  expect((await readdir(temporary)).filter((name) => name.startsWith('cutover-'))).toEqual([])
})

test('a signal to the whole process group neither ends a child that is starting nor opens an inspector', async () => {
  const { cutover, proceed } = await starting(2)
  const tried = new Set<number>()
  const signalAll = (): void => {
    for (const pid of descendants(cutover.process.pid as number)) {
      tried.add(pid)
      for (const signal of ['SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGINT', 'SIGTERM'] as const) {
        // An earlier signal has ended the child if it came before the child ignored signals.
        if (isAlive(pid)) process.kill(pid, signal)
      }
    }
  }
  signalAll()
  proceed()
  await cutover.ready()
  signalAll()
  const [worker] = await pids(cutover, 'worker')
  process.kill(worker as number, 'SIGKILL')
  // The next worker gets a signal before it has loaded its code.
  await until(() => descendants(cutover.process.pid as number).some((pid) => !tried.has(pid)))
  signalAll()
  await until(async () => {
    const now = await pids(cutover, 'worker')
    return now.length === 2 && !now.includes(worker as number)
  })
  expect((await fetch(cutover.proxy)).status).toBe(200)
  expect(cutover.stderr).not.toContain('Debugger')
})

test('SIGTERM during a replacement of workers ends the replacement', async () => {
  const held: ServerResponse[] = []
  const blue = await upstream('blue1', (_request, response) => held.push(response))
  const service = { pools: { blue: pool(blue) }, health: 'off' }
  const cutover = await start({ service, shutdown: { timeout: '3s', acceptFor: '1s' } })
  // Enough connections for both workers to have requests in flight, which never end.
  const clients = await Promise.all(Array.from({ length: 40 }, () => RawConnection.connect(cutover.proxy)))
  for (const client of clients) {
    endWithAll(() => client.destroy())
    client.send('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
  }
  await until(() => held.length === 40)
  cutover.process.kill('SIGUSR2')
  // The first worker is replaced and is cut 3 s later; the others, which stop only after acceptFor, still run then.
  await until(async () => (await pids(cutover, 'worker')).length === 3)
  cutover.process.kill('SIGTERM')
  expect(await cutover.exited).toEqual({ code: 0, signal: null })
  expect(cutover.stderr).not.toMatch(/unexpected error|has ended|cannot listen|not replaced/)
})

test('workers serve while the control process cannot start; once it starts, it handles a SIGHUP that came meanwhile', async () => {
  const service = { pools: { blue: pool(await upstream('blue1')) }, health: 'off' }
  const cutover = await start({ service })
  const load = new Load({ url: `${cutover.proxy}/`, clients: 10, names: ['blue1'] })
  await load.more(100)
  const workers = await pids(cutover, 'worker')
  const deaths = (): number => (cutover.stderr.match(/the control process has ended/g) ?? []).length
  const supervisor = cutover.process.pid as number
  // No control process lives long enough to read a message, including the standby.
  const killing = setInterval(() => {
    for (const { pid, role } of processesOf(supervisor)) if (role === 'control') process.kill(pid, 'SIGKILL')
  }, 20)
  endWithAll(() => clearInterval(killing))
  await until(() => deaths() >= 2, 20_000)
  await cutover.configure({ services: { shop: { ...service, paths: ['/', '/new'] } } })
  cutover.process.kill('SIGHUP')
  // Wait until the process that was starting when the signal came is dead.
  const before = deaths()
  await until(() => deaths() > before, 20_000)
  await load.more(100)
  clearInterval(killing)
  await until(async () => (await cutover.api('GET', '/api/services/shop')).body.paths.length === 2, 30_000)
  await load.more(100)
  expect((await load.stop()).failures).toEqual({})
  expect(await pids(cutover, 'worker')).toEqual(workers)
})

test('proxies keep serving when the restart of the control process fails', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'cutover-resumed-'))
  endWithAll(() => rm(folder, { recursive: true, force: true }))
  const taken = createServer()
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
  endWithAll(() => taken.close())
  const { port } = taken.address() as AddressInfo
  const checked = checkConfig({ proxy: { listen: '127.0.0.1:0' }, store: { path: folder } })
  if (!checked.ok) throw new Error('a configuration that cannot be used')
  const { config } = checked
  const proxies = new LocalProxy(config.proxy, pino({ enabled: false }))
  const failing = Instance.start({
    config,
    proxies,
    load: async () => checked,
    file: 'cutover.yaml',
    log: pino({ enabled: false }),
    identity: { id: 'a', name: 'a', startedAt: new Date().toISOString() },
    adminListen: { host: '127.0.0.1', port },
    patienceMs: 0,
    resumed: true,
  })
  await expect(failing).rejects.toThrow(/^admin\.listen: cannot listen on .*: another process already listens there$/)
  expect((await fetch(proxies.addresses[0] as string)).status).toBe(404)
})
