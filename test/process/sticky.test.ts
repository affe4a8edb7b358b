import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { Cutover } from '../support/cutover.ts'
import { until } from '../support/until.ts'
import type { Upstream } from '../support/upstream.ts'
import { endAll, endWithAll, isAlive, pids, pool, upstream } from './support.ts'

afterEach(endAll)

async function askWith(cutover: Cutover, cookie = '') {
  const headers = { connection: 'close', ...(cookie === '' ? {} : { cookie }) }
  const response = await fetch(cutover.proxy, { headers })
  return { server: await response.text(), set: response.headers.getSetCookie() }
}

/** The cookie of each server. */
async function cookies(cutover: Cutover, servers: readonly Upstream[]): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>()
  while (found.size < servers.length) {
    const { server, set } = await askWith(cutover)
    found.set(server, set[0]?.split(';')[0] ?? '')
  }
  return found
}

/** Expects that each cookie leads to its server, at every worker. */
async function expectKept(cutover: Cutover, known: ReadonlyMap<string, string>): Promise<void> {
  for (let i = 0; i < 8; i++) {
    for (const [server, cookie] of known) expect(await askWith(cutover, cookie)).toEqual({ server, set: [] })
  }
}

test('the cookies survive replaced workers, a killed control process, and a restart; their key is shown nowhere', async () => {
  const servers = [await upstream('blue1'), await upstream('blue2'), await upstream('blue3')]
  const service = { pools: { blue: pool(...servers) }, sticky: { cookie: 'server' }, health: { interval: '100ms' } }
  const options = { services: { shop: service }, proxy: { workers: 2 } }
  const first = await Cutover.start(options)
  endWithAll(() => first.stop('SIGKILL'))
  const known = await cookies(first, servers)
  expect(new Set(known.values()).size).toBe(3)
  await expectKept(first, known)

  expect((await first.api('POST', '/api/workers/restart?wait=25s')).status).toBe(200)
  await expectKept(first, known)

  const [control = 0] = await pids(first, 'control')
  process.kill(control, 'SIGKILL')
  await until(() => !isAlive(control))
  await until(async () => (await first.api('GET', '/ready')).status === 200)
  await expectKept(first, known)

  const key = await keyIn(first.dataPath)
  const shown = [first.stdout, first.stderr]
  for (const path of ['/api/services', '/api/services/shop/definition', '/api/services/shop/history', '/api/config'])
    shown.push(JSON.stringify((await first.api('GET', path)).body))
  for (const path of ['/metrics', '/health', '/api/instances'])
    shown.push(JSON.stringify((await first.api('GET', path)).body))
  for (const text of shown) expect(text).not.toContain(key)

  first.process.kill('SIGTERM')
  await first.exited
  const second = await Cutover.start({ ...options, dataPath: first.dataPath })
  endWithAll(() => second.stop('SIGKILL'))
  await expectKept(second, known)
}, 120_000)

/** The key of the cookies as the store has it. */
async function keyIn(folder: string): Promise<string> {
  for (const name of await readdir(folder)) {
    const text = await readFile(join(folder, name), 'utf8')
    const [, key] = /"stickyKeys":\{"current":\{[^}]*\{"key":"([\w-]{43})"/.exec(text) ?? []
    if (key !== undefined) return key
  }
  throw new Error(`no key in ${folder}`)
}
