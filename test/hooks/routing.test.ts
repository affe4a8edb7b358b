import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { Load } from '../support/load.ts'
import { HookedShop } from './support.ts'

let shop: HookedShop
beforeAll(async () => {
  shop = await HookedShop.start({
    handler: async (request, response) => {
      if (request.headers['x-fail'] === '1') {
        request.socket.destroy()
        return
      }
      const hash = createHash('sha256')
      for await (const piece of request) hash.update(piece)
      response.end(request.method === 'PUT' ? hash.digest('hex') : response.getHeader('x-upstream'))
    },
    service: { retry: { attempts: 3, on: ['connect', 'reset'], budget: '100%' } },
    proxy: { hookTimeout: '20s' },
  })
  for (const { server } of [shop.blue, shop.green]) {
    const sockets = new WebSocketServer({ server })
    sockets.on('connection', (socket, { headers }) => socket.send(String(headers['x-hook'])))
  }
})
afterAll(() => shop.stop())

/** Sends so many requests; how many each server has answered. */
async function answers(requests: number, path: string): Promise<Readonly<Record<string, number>>> {
  const load = new Load({ url: `${shop.cutover.proxy}${path}`, clients: 4, names: ['blue1', 'green1'], requests })
  const figures = await load.done
  expect(figures.failures).toEqual({})
  return figures.answers
}

describe('choosePool', () => {
  test('sees the pools that get requests, and decides before routes and split', async () => {
    await shop.use(`choosePool(r, pools) {
      r.tag('pools', JSON.stringify(pools.map(({ name, version, share, up }) => [name, version, share, up])))
      return r.cookie('canary') === '1' ? 'green' : undefined
    },
    response(r, h) { h.set('x-pool', r.pool + r.version) }, upstreamRequest(r, h) { h.set('x-pools', '1') }`)
    expect(await shop.whoAnswers('/', { headers: { cookie: 'canary=1' } })).toBe('green1')
    expect(await shop.whoAnswers('/', { headers: { cookie: 'canary=1', 'x-never': '1' } })).toBe('green1')
    expect(await shop.whoAnswers('/', { headers: { 'x-never': '1' } })).toBe('green1')
    expect(await shop.whoAnswers('/tagged')).toBe('blue1')
    const [, line = ''] = await shop.cutover.printed(/^(.*"target":"\/tagged".*)$/m)
    expect(JSON.parse(JSON.parse(line).tags.pools)).toEqual([
      ['blue', '1', 100, 1],
      ['green', '2', 0, 1],
    ])
  })

  test('is mentioned where a decision is explained, since it is not called then', async () => {
    const explained = async () => {
      const { body } = await shop.cutover.api('GET', '/api/services/shop/explain')
      return body.steps.map(({ step, result }: { step: string; result: string }) => `${step}: ${result}`)
    }
    const after = ['split: each request by the shares: blue 100 %', 'balance: leastRequest in blue']
    const route = 'routes: route "never": header x-never is absent'
    const program = 'hooks: the program in proxy.hooks'
    const otherwise = 'otherwise it goes on as follows'
    await shop.use(`request() { return { status: 200 } }, choosePool() { throw new Error('called') }`)
    const may = 'its request may answer it, its choosePool may choose the pool (blue, green)'
    expect((await explained()).slice(1)).toEqual([
      'mode: serving',
      `${program} is asked first, but not for an explanation: ${may}; ${otherwise}`,
      route,
      ...after,
    ])
    expect(shop.failures()).toEqual([])
    await shop.use('response(r, h) {}')
    expect((await explained())[2]).toBe(`${program} leaves the decision to what follows`)
    await shop.cutover.configure({ ...shop.options, proxy: {} })
    await shop.cutover.api('POST', '/api/config/reload')
    expect((await explained()).slice(1)).toEqual(['mode: serving', route, ...after])
    await shop.cutover.configure(shop.options)
  })

  test('T11 requests that it has decided do not count towards the split', async () => {
    await shop.cutover.api('POST', '/api/services/shop/shift', { to: 'green', percent: 5 })
    await shop.use(`choosePool(r) { return r.path === '/pinned' ? 'blue' : undefined }`)
    const pinned = answers(2_000, '/pinned')
    const split = await answers(10_000, '/')
    expect(await pinned).toEqual({ blue1: 2_000 })
    expect(split).toEqual({ blue1: 9_500, green1: 500 })
    await shop.cutover.api('POST', '/api/services/shop/switch', { to: 'blue' })
  })

  test('a pool without a share and without a route is not among them, and is an error', async () => {
    const { shop: service } = shop.options.services as { shop: object }
    await shop.cutover.configure({ ...shop.options, services: { shop: { ...service, routes: [] } } })
    await shop.use(`choosePool(r, pools) { r.tag('names', pools.map(({ name }) => name).join()); return r.header('x-pin') },
      response(r, h) { h.set('x-names', 'x') }`)
    expect(await shop.whoAnswers('/', { headers: { 'x-pin': 'green' } })).toBe('500')
    expect(await shop.whoAnswers('/only')).toBe('blue1')
    const [, line = ''] = await shop.cutover.printed(/^(.*"target":"\/only".*)$/m)
    expect(JSON.parse(line).tags).toEqual({ names: 'blue' })
    await shop.cutover.configure(shop.options)
    await shop.use('')
  })

  test('a pool without a server that takes requests is an error', async () => {
    await shop.use(`choosePool() { return 'green' }`)
    await shop.cutover.api('POST', '/api/servers/green1/drain?force&wait=5s')
    expect(await shop.whoAnswers()).toBe('500')
    expect(shop.failures().at(-1)?.error).toMatch(
      /"green"; these get requests and have a server that takes some: blue$/,
    )
    await shop.cutover.api('POST', '/api/servers/green1/enable?wait=5s')
    expect(await shop.whoAnswers()).toBe('green1')
  })

  test('hooks are called once for each request, upstreamRequest for every try', async () => {
    await shop.use(`const calls = []
    export default {
      request(r) { if (r.path === '/calls') return { status: 200, body: calls.splice(0).join() }; calls.push('request') },
      choosePool() { calls.push('choosePool') },
      upstreamRequest(r, h) { calls.push('upstreamRequest'); if (calls.filter((c) => c === 'upstreamRequest').length < 3) h.set('x-fail', '1') },
      response() { calls.push('response') },
      log() { calls.push('log') },
    }`)
    expect(await shop.whoAnswers()).toBe('blue1')
    const calls = 'request,choosePool,upstreamRequest,upstreamRequest,upstreamRequest,response,log'
    expect(await shop.whoAnswers('/calls')).toMatch(new RegExp(`^${calls}`))
  })
})

describe('a request that waits for its hook', () => {
  /** Begins a request whose hook waits for a file of this name; resolves once the hook has been called. */
  async function waiting(
    name: string,
  ): Promise<{ readonly answer: Promise<string>; readonly release: () => Promise<void> }> {
    const [called, go] = [`${shop.folder}/${name}.called`, `${shop.folder}/${name}.go`]
    await shop.use(`async request(r) {
      if (r.path !== '/${name}') return
      const { existsSync, writeFileSync } = await import('node:fs')
      writeFileSync('${called}', '')
      while (!existsSync('${go}')) await new Promise((resolve) => setTimeout(resolve, 5))
    }`)
    const answer = shop.whoAnswers(`/${name}`)
    while (!existsSync(called)) await delay(5)
    return { answer, release: () => writeFile(go, '') }
  }

  test('goes where it is right to go then: after a switch, to the new pool', async () => {
    const { answer, release } = await waiting('switch')
    const { body } = await shop.cutover.api('POST', '/api/services/shop/switch?wait=5s', { to: 'green' })
    expect(body.drained).toEqual(['blue'])
    await release()
    expect(await answer).toBe('green1')
    await shop.cutover.api('POST', '/api/services/shop/switch?wait=5s', { to: 'blue' })
  })

  test('T1 20 switches under load, while hooks wait: no request fails', async () => {
    await shop.use('async request() { await new Promise((resolve) => setTimeout(resolve, Math.random() * 20)) }')
    const load = new Load({ url: `${shop.cutover.proxy}/`, clients: 8, names: ['blue1', 'green1'] })
    for (let i = 0; i < 20; i++) {
      const to = i % 2 === 0 ? 'green' : 'blue'
      expect((await shop.cutover.api('POST', '/api/services/shop/switch?wait=10s', { to })).status).toBe(200)
    }
    const { failures, sent, completed } = await load.stop()
    expect([failures, completed]).toEqual([{}, sent])
  })

  test('is held if the service has been paused, and released with the others', async () => {
    const { answer, release } = await waiting('pause')
    await shop.cutover.api('POST', '/api/services/shop/pause?wait=5s', { for: '20s' })
    await release()
    const service = async () => (await shop.cutover.api('GET', '/metrics')).body
    while (!/cutover_held_requests\{service="shop"\} 1$/m.test(await service()));
    await shop.cutover.api('POST', '/api/services/shop/resume?wait=5s')
    expect(await answer).toBe('blue1')
  })
})

describe('what a hook does not touch', () => {
  test('bodies are streamed both ways', async () => {
    await shop.use(`async request() { await 1 }, choosePool() { return 'green' }, upstreamRequest(r, h) { h.set('x-a', '1') },
      response(r, h) { h.set('x-b', '1') }, log() {}`)
    const piece = Buffer.alloc(65_536, 'abc')
    const hash = createHash('sha256')
    const pieces = Array.from({ length: 320 }, () => piece)
    for (const each of pieces) hash.update(each)
    const body = Readable.toWeb(Readable.from(pieces)) as ReadableStream
    const response = await shop.ask('/', { method: 'PUT', body, duplex: 'half' } as RequestInit)
    expect([response.headers.get('x-b'), await response.text()]).toEqual(['1', hash.digest('hex')])
  })

  test('upgrades: the header is changed both ways, and a hook may refuse', async () => {
    await shop.use(`request(r) { if (r.path === '/refused') return { status: 403 } }, choosePool() { return 'green' },
      upstreamRequest(r, h) { h.set('x-hook', r.server) },
      response(r, h) { h.set('x-status', String(h.status)) }`)
    const url = shop.cutover.proxy.replace('http', 'ws')
    const socket = new WebSocket(url)
    let status: unknown
    socket.once('upgrade', ({ headers }) => {
      status = headers['x-status']
    })
    const said = await new Promise((resolve) => socket.once('message', (data) => resolve(String(data))))
    expect([said, status]).toEqual(['green1', '101'])
    socket.close()
    const refused = new WebSocket(`${url}/refused`)
    refused.on('error', () => undefined)
    expect(
      await new Promise((resolve) => refused.once('unexpected-response', (_, { statusCode }) => resolve(statusCode))),
    ).toBe(403)
    await shop.use('response(r, h) { if (h.status === 101) throw new Error("no") }')
    const failed = new WebSocket(url)
    failed.on('error', () => undefined)
    expect(
      await new Promise((resolve) => failed.once('unexpected-response', (_, { statusCode }) => resolve(statusCode))),
    ).toBe(500)
  })
})
