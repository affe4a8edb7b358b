import { expect, test } from 'vitest'
import { until } from '../support/until.ts'
import type { Handler } from '../support/upstream.ts'
import { figuresOf, mirrored } from './mirror-support.ts'
import { ask, define, holding, pool, serverView, upstream, watched } from './support.ts'

const isCopy: (...of: Parameters<Handler>) => boolean = ({ headers }) => headers['x-cutover-mirror'] !== undefined

test('a server is drained when its copies have ended, not before, and gets none any more', async () => {
  const { handler, held, release } = holding()
  const { cutover, green, counts } = await mirrored({ green: handler })
  await Promise.all([ask(cutover), ask(cutover)])
  await until(() => held.length === 2)
  const draining = watched(cutover.api('POST', '/api/servers/green1/drain?wait=10s'))
  await until(async () => (await serverView(cutover, 'green1')).state === 'drain')
  for (const left of [2, 1]) {
    expect(await serverView(cutover, 'green1')).toMatchObject({ drained: false, inFlight: left })
    expect(draining.settled).toBe(false)
    held.shift()?.end('green1')
    await until(async () => (await serverView(cutover, 'green1')).inFlight === left - 1)
  }
  expect((await draining.promise).body).toMatchObject({ drained: ['green1'], cut: 0 })
  expect((await ask(cutover)).status).toBe(200)
  await counts({ 'requests 200': 2, 'dropped no_server': 1 })
  expect(green.requests.length).toBe(2)
  release()
})

test('copies are cut at the deadline of a drain', async () => {
  const { handler, held } = holding()
  const { cutover, counts } = await mirrored({ green: handler, service: { drain: { timeout: '100ms' } } })
  await ask(cutover)
  await until(() => held.length === 1)
  const { body } = await cutover.api('POST', '/api/servers/green1/drain?wait=10s')
  expect([body.drained, body.cut]).toEqual([['green1'], 1])
  await until(() => held[0]?.destroyed)
  await counts({ 'failures drain_timeout': 1 })
})

test('a pause waits for copies, and none is sent during it; a held request is copied once, when it goes on', async () => {
  const { handler, held, release } = holding()
  const { cutover, name, blue, green, counts } = await mirrored({ green: handler })
  await ask(cutover, '/before')
  await until(() => held.length === 1)
  const pausing = watched(cutover.api('POST', `/api/services/${name}/pause?wait=10s`))
  await until(async () => (await cutover.api('GET', `/api/services/${name}`)).body.mode === 'paused')
  const asked = ask(cutover, '/held')
  await until(async () => (await cutover.api('GET', '/metrics')).body.includes(`held_requests{service="${name}"} 1`))
  expect(pausing.settled).toBe(false)
  release()
  expect((await pausing.promise).status).toBe(200)
  expect([blue.requests.length, green.requests.length]).toEqual([1, 1])
  await cutover.api('POST', `/api/services/${name}/resume`)
  expect((await asked).status).toBe(200)
  await until(() => held.length === 1)
  release()
  await counts({ 'requests 200': 2 })
  expect(green.requests.map(({ url }) => url)).toEqual(['/before', '/held'])
})

test('a pool that gets copies is not drained; without the mirror it is when its copies have ended', async () => {
  const { handler, held, release } = holding()
  const { cutover, name } = await mirrored({ green: handler })
  const green = async () => (await cutover.api('GET', `/api/services/${name}`)).body.pools[1]
  expect(await green()).toMatchObject({ name: 'green', share: 0, drained: false, inFlight: 0 })
  await ask(cutover)
  await until(() => held.length === 1)
  const { body } = await cutover.api('PATCH', `/api/services/${name}?wait=5s`, { mirror: null })
  expect(body.service.pools[1]).toMatchObject({ drained: false, inFlight: 1 })
  release()
  await until(async () => (await green()).drained)
})

test('a pool that gets copies cannot be removed', async () => {
  const { cutover, name } = await mirrored()
  const { status, body } = await cutover.api('DELETE', `/api/services/${name}/pools/green`)
  expect([status, body.problems[0].path]).toEqual([422, 'mirror.to'])
})

test('after a switch to the pool of the mirror, it answers the requests and gets no copies', async () => {
  const { cutover, name, blue, green, counts } = await mirrored()
  await ask(cutover)
  await counts({ 'requests 200': 1 })
  const { body } = await cutover.api('POST', `/api/services/${name}/switch?wait=10s`, { to: 'green' })
  expect(body.drained).toEqual(['blue'])
  for (let i = 0; i < 5; i++) expect((await ask(cutover)).body).toBe('green1')
  await counts({ 'requests 200': 1 })
  expect([blue.requests.length, green.requests.length]).toEqual([1, 6])
})

test('failed copies eject no server, as failed requests do', async () => {
  const breakOff: Handler = ({ socket }) => socket.destroy()
  const ok: Handler = (_request, response) => response.end('ok')
  const green1 = await upstream('green1', (...of) => (isCopy(...of) ? breakOff : ok)(...of))
  const green2 = await upstream('green2', (...of) => (of[0].url === '/fail' ? breakOff : ok)(...of))
  const blue = await upstream('blue1')
  const cutover = await define('failing-copies', {
    pools: { blue: pool(blue), green: pool(green1, green2) },
    split: { blue: 100 },
    mirror: { to: 'green' },
    routes: [{ name: 'to-green', match: { path: '/fail' }, to: 'green' }],
    balance: 'roundRobin',
    passive: { maxFails: 1 },
    health: 'off',
  })
  for (let i = 0; i < 20; i++) await ask(cutover)
  const { counts } = figuresOf(cutover, 'failing-copies')
  await counts({ 'requests 200': 10, 'failures connection_terminated': 10 })
  await until(async () => {
    expect((await ask(cutover, '/fail')).status).toBe(200)
    return (await serverView(cutover, 'green2')).health === 'ejected'
  })
  expect(await serverView(cutover, 'green1')).toMatchObject({ health: 'up' })
})

test('copies leave the split and the turns of servers as they are', async () => {
  const { cutover, counts } = await mirrored({
    service: { split: { blue: 75, green: 25 }, balance: 'roundRobin' },
  })
  const answers: string[] = []
  for (let i = 0; i < 40; i++) answers.push((await ask(cutover)).body)
  await counts({ 'requests 200': 30 })
  expect(answers.filter((name) => name === 'green1').length).toBe(10)
})

test('a copy gives way to a request, if its server has reached its limit', async () => {
  const { handler, held } = holding()
  const green: Handler = (...of) => (isCopy(...of) ? handler(...of) : of[1].end('green1'))
  const { cutover, counts } = await mirrored({
    green,
    service: {
      connections: { perServer: 1 },
      routes: [{ name: 'new', match: { path: '/new' }, to: 'green', onUnavailable: 'fail' }],
    },
  })
  await ask(cutover)
  await until(() => held.length === 1)
  // There is no room for another copy.
  await ask(cutover)
  await counts({ 'dropped no_server': 1 })
  expect(await ask(cutover, '/new')).toMatchObject({ status: 200, body: 'green1' })
  await until(() => held[0]?.destroyed)
  await counts({ 'dropped no_server': 1, 'failures connection_limit_reached': 1 })
  expect((await serverView(cutover, 'green1')).inFlight).toBe(0)
})

test('an endless answer ends its copy: timeouts.response after the original', async () => {
  let sent = 0
  const endless: Handler = (_request, response) => {
    const timer = setInterval(() => {
      response.write('more')
      sent++
    }, 20)
    response.on('close', () => clearInterval(timer))
  }
  const { cutover, counts } = await mirrored({ green: endless, service: { timeouts: { response: '1s' } } })
  const startedAt = performance.now()
  expect((await ask(cutover)).status).toBe(200)
  await counts({ 'failures http_response_timeout': 1 })
  expect(performance.now() - startedAt).toBeGreaterThan(950)
  expect(sent).toBeGreaterThan(5)
  expect((await serverView(cutover, 'green1')).inFlight).toBe(0)
})
