import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Agent, request } from 'undici'
import { afterEach, expect, test } from 'vitest'
import { clearSocketFile } from '../../src/net/socket-file.ts'
import { Cutover } from '../support/cutover.ts'
import { until } from '../support/until.ts'
import { endAll, endWithAll, isAlive, type Process, pool, upstream } from './support.ts'

afterEach(endAll)

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'cutover-files-'))
  endWithAll(() => rm(path, { recursive: true, force: true }))
  return path
}

/** Sends a request over a socket file. */
async function ask(socketPath: string, path: string): Promise<{ status: number; body: unknown }> {
  const dispatcher = new Agent({ connect: { socketPath } })
  try {
    const { statusCode, headers, body } = await request(`http://localhost${path}`, { dispatcher })
    const isJson = String(headers['content-type']).includes('json')
    return { status: statusCode, body: isJson ? await body.json() : await body.text() }
  } finally {
    await dispatcher.destroy()
  }
}

interface Setting {
  readonly workers: number
  readonly admin: string | object
  readonly proxy?: string | object
  readonly dataPath?: string
}

async function launch({ workers, admin, proxy = '127.0.0.1:0', dataPath }: Setting): Promise<Cutover> {
  const cutover = await Cutover.launch({
    services: { shop: { pools: { blue: pool(await upstream('blue1')) }, health: 'off' } },
    proxy: { workers, listen: proxy },
    admin: { listen: admin },
    ...(dataPath === undefined ? {} : { dataPath }),
  })
  endWithAll(() => cutover.stop('SIGKILL'))
  return cutover
}

async function modeOf(path: string): Promise<string> {
  return ((await stat(path)).mode & 0o777).toString(8)
}

test.each([0, 2])('the socket file of the admin API has mode 600: workers %i', async (workers) => {
  const path = join(await folder(), 'admin.sock')
  const cutover = await launch({ workers, admin: `unix:${path}` })
  await cutover.ready()
  expect(cutover.admin).toBe(`unix:${path}`)
  expect(await ask(path, '/ready')).toMatchObject({ status: 200 })
  expect(await modeOf(path)).toBe('600')
  cutover.process.kill('SIGTERM')
  expect(await cutover.exited).toEqual({ code: 0, signal: null })
  await expect(stat(path)).rejects.toThrow(/ENOENT/)
})

test('a preview over a socket file names no client, like a request over one', async () => {
  const path = await folder()
  const [admin, proxy] = [join(path, 'admin.sock'), join(path, 'proxy.sock')]
  const app = await upstream('blue1', (request, response) => {
    response.end(JSON.stringify(request.headersDistinct['x-forwarded-for'] ?? []))
  })
  const cutover = await Cutover.start({
    services: { shop: { pools: { blue: pool(app) }, health: 'off' } },
    proxy: { workers: 0, listen: `unix:${proxy}` },
    admin: { listen: `unix:${admin}` },
  })
  endWithAll(() => cutover.stop('SIGKILL'))
  expect((await ask(proxy, '/')).body).toBe('[]')
  expect((await ask(admin, '/preview/shop/blue/')).body).toBe('[]')
})

test('a killed worker or control process is replaced when the admin API is on a socket file', async () => {
  const path = join(await folder(), 'admin.sock')
  const cutover = await launch({ workers: 2, admin: `unix:${path}` })
  await cutover.ready()
  const pids = async (role: string): Promise<number[]> => {
    const { body } = await ask(path, '/api/instances')
    const [{ processes }] = (body as { instances: [{ processes: Process[] }] }).instances
    return processes.filter((each) => each.role === role).map(({ pid }) => pid)
  }
  const [worker] = await pids('worker')
  process.kill(worker as number, 'SIGKILL')
  await until(async () => {
    const now = await pids('worker')
    return now.length === 2 && !now.includes(worker as number)
  }, 20_000)
  const [control] = await pids('control')
  process.kill(control as number, 'SIGKILL')
  await until(async () => !isAlive(control as number) && (await ask(path, '/ready')).status === 200, 20_000)
  expect(await modeOf(path)).toBe('600')
  expect((await fetch(cutover.proxy)).status).toBe(200)
})

test.each([0, 2])('`mode` sets the permissions of a socket file: workers %i', async (workers) => {
  const path = await folder()
  const [admin, proxy, plain] = ['admin.sock', 'proxy.sock', 'plain.sock'].map((name) => join(path, name)) as [
    string,
    string,
    string,
  ]
  const cutover = await launch({
    workers,
    admin: { address: `unix:${admin}`, mode: '0660' },
    proxy: [{ address: `unix:${proxy}`, mode: '666' }, `unix:${plain}`],
  })
  await cutover.ready()
  const asUmaskSays = (0o777 & ~process.umask()).toString(8)
  expect([await modeOf(admin), await modeOf(proxy), await modeOf(plain)]).toEqual(['660', '666', asUmaskSays])
  expect((await ask(proxy, '/')).body).toBe('blue1')
})

test.each([0, 2])(
  'the socket files of an instance that was killed are taken over: workers %i',
  async (workers) => {
    const path = await folder()
    const setting = { workers, admin: `unix:${join(path, 'admin.sock')}`, proxy: `unix:${join(path, 'proxy.sock')}` }
    const first = await launch(setting)
    await first.ready()
    first.process.kill('SIGKILL')
    await first.exited
    const second = await launch(setting)
    await second.ready()
    expect((await ask(join(path, 'proxy.sock'), '/')).body).toBe('blue1')
    expect((await ask(join(path, 'admin.sock'), '/ready')).status).toBe(200)
  },
  90_000,
)

/** Opens another server at a socket file. */
async function occupy(path: string): Promise<void> {
  const other = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.end()
  })
  await new Promise<void>((resolve) => other.listen(path, resolve))
  endWithAll(() => other.close())
}

test('an unusable path for a socket file is refused with the reason, and no file is removed', async () => {
  const path = await folder()
  const inUse = join(path, 'used.sock')
  await occupy(inUse)
  await writeFile(join(path, 'file'), 'precious')
  const long = join(path, 'x'.repeat(120))
  const reasons: readonly (readonly [path: string, reason: string])[] = [
    [inUse, 'another process already listens there'],
    [join(path, 'nope/x.sock'), `the folder ${join(path, 'nope')} does not exist`],
    [join(path, 'file/x.sock'), `${join(path, 'file')} is not a folder`],
    [join(path, 'file'), 'there is a file of that name already, which is not a socket'],
    [long, `has ${Buffer.byteLength(long)} bytes, and a socket's may have at most`],
  ]
  for (const [at, reason] of reasons) await expect(clearSocketFile(at)).rejects.toThrow(reason)
  expect((await stat(join(path, 'file'))).isFile()).toBe(true)
  expect((await stat(inUse)).isSocket()).toBe(true)
})

test.each([0, 2])('an instance whose socket file is in use does not start: workers %i', async (workers) => {
  const path = join(await folder(), 'used.sock')
  await occupy(path)
  const cutover = await launch({ workers, admin: `unix:${path}` })
  expect(await cutover.exited).toEqual({ code: 1, signal: null })
  expect(cutover.stderr).toContain(`admin.listen: cannot listen on unix:${path}: another process already listens there`)
  expect((await stat(path)).isSocket()).toBe(true)
})
