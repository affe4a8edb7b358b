import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { Load } from '../support/load.ts'
import { PROGRAM } from '../support/program.ts'
import { RawConnection } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import { endAll, endWithAll, pool, start, upstream } from './support.ts'

afterEach(endAll)

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'cutover-sockets-'))
  endWithAll(() => rm(path, { recursive: true, force: true }))
  return path
}

/** Runs Cutover with a configuration. `fd`: handed over as descriptor 3. */
async function run(config: object, fd?: number) {
  const file = join(await folder(), 'cutover.json')
  await writeFile(file, JSON.stringify(config))
  const child = spawn(process.execPath, [PROGRAM, 'run', '--config', file], {
    stdio: ['ignore', 'pipe', 'pipe', ...(fd === undefined ? [] : [fd])],
  })
  endWithAll(() => child.kill('SIGKILL'))
  let out = ''
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => (out += chunk.toString()))
  const exited = once(child, 'exit').then(([code]) => code as number)
  return { child, exited, out: () => out, ready: () => until(() => out.includes('cutover ready'), 20_000) }
}

test('a second instance on the same port does not start, and names the address', async () => {
  const service = { pools: { blue: pool(await upstream('blue1')) }, health: 'off' }
  const first = await start({ service })
  const listen = new URL(first.proxy).host
  const second = await run({
    proxy: { listen, workers: 2 },
    admin: { listen: '127.0.0.1:0' },
    store: { path: await folder() },
    services: { shop: service },
  })
  expect(await second.exited).toBe(1)
  expect(second.out()).toContain(`proxy.listen: cannot listen on ${listen}: another process already listens there`)
  expect((await fetch(first.proxy)).status).toBe(200)
})

test('a socket file is shared by the workers, and removed when the instance ends', async () => {
  const path = join(await folder(), 'proxy.sock')
  const service = { pools: { blue: pool(await upstream('blue1')) }, health: 'off' }
  const instance = await run({
    proxy: { listen: `unix:${path}`, workers: 2 },
    admin: { listen: '127.0.0.1:0' },
    store: { path: await folder() },
    services: { shop: service },
  })
  await instance.ready()
  for (let i = 0; i < 10; i++) {
    const client = new RawConnection(net.connect(path))
    expect((await client.ask(['GET / HTTP/1.1', 'host: a'])).text).toBe('blue1')
    client.destroy()
  }
  instance.child.kill('SIGTERM')
  expect(await instance.exited).toBe(0)
  await expect(once(net.connect(path), 'connect')).rejects.toThrow(/ENOENT/)
})

test.each([2, 0])(
  'an inherited socket (fd:3) is handed from one instance to the next, and no connection is refused: workers %i',
  async (workers) => {
    const service = { pools: { blue: pool(await upstream('blue1')) }, health: 'off' }
    const socket = new net.BoundSocket({ host: '127.0.0.1' })
    endWithAll(() => socket.close())
    const path = await folder()
    const config = {
      proxy: { listen: 'fd:3', workers },
      admin: { listen: '127.0.0.1:0' },
      store: { path },
      services: { shop: service },
    }
    const url = `http://127.0.0.1:${socket.address().port}/`
    const first = await run(config, socket.fd())
    await first.ready()
    const load = new Load({ url, clients: 30, names: ['blue1'] })
    await load.more(500)
    first.child.kill('SIGTERM')
    expect(await first.exited).toBe(0)
    // No instance runs now; connections wait in the backlog for the next one.
    const second = await run(config, socket.fd())
    await second.ready()
    await load.more(500)
    expect((await load.stop()).failures).toEqual({})
  },
)

test('a descriptor that is not a socket is refused with its number', async () => {
  for (const workers of [2, 0]) {
    const instance = await run({
      proxy: { listen: 'fd:37', workers },
      admin: { listen: '127.0.0.1:0' },
      store: { path: await folder() },
      services: {},
    })
    expect(await instance.exited).toBe(1)
    expect(instance.out()).toContain('proxy.listen: cannot listen on fd:37: the process that started Cutover')
  }
})

test('SIGTERM with workers under load: no request is lost, and no connection waits at an unserved socket', async () => {
  const service = { pools: { blue: pool(await upstream('blue1')) }, health: 'off' }
  const cutover = await start({ service, shutdown: { acceptFor: '2s' } })
  const load = new Load({ url: `${cutover.proxy}/`, clients: 60, names: ['blue1'] })
  await load.more(1_000)
  cutover.process.kill('SIGTERM')
  await until(async () => (await cutover.api('GET', '/ready')).status === 503)
  load.reconnects = false
  const figures = await load.done
  expect(figures.failures).toEqual({})
  expect(await cutover.exited).toEqual({ code: 0, signal: null })
  await expect(RawConnection.connect(cutover.proxy)).rejects.toThrow(/ECONNREFUSED/)
})
