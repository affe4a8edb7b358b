import { rm } from 'node:fs/promises'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { Cutover } from '../support/cutover.ts'
import { until } from '../support/until.ts'
import { HEALTH, problem, useShop } from './support.ts'

const shop = useShop()
const SOLO = '/api/services/solo'

function pool(name: 'blue1' | 'green1') {
  return { servers: { [name]: shop.server(name).url } }
}

/** A service with one pool, and no split: it gets everything. */
function solo(pools: object = { blue: pool('blue1') }) {
  return { paths: ['/solo'], pools, health: HEALTH }
}

const split = async () => (await shop.view('solo')).split

describe('a service with one pool and no split gets a second pool, with no share,', () => {
  beforeEach(async () => {
    await shop.done('PUT', SOLO, solo())
    await shop.allUp('solo')
  })

  test('by PUT of the pool; it can be switched to, and back', async () => {
    const { changed, service } = await shop.done('PUT', `${SOLO}/pools/green?wait=20s`, pool('green1'))
    expect([changed, service.split]).toEqual([true, { blue: 100, green: 0 }])
    await shop.allUp('solo')
    await shop.done('POST', `${SOLO}/switch?wait=20s`)
    expect(await shop.ask('/solo')).toBe('green1')
    await shop.done('POST', `${SOLO}/rollback?wait=20s`)
    expect(await shop.ask('/solo')).toBe('blue1')
  })

  test('by a PATCH of its pools', async () => {
    await shop.done('PATCH', SOLO, { pools: { green: pool('green1') } })
    expect(await split()).toEqual({ blue: 100, green: 0 })
  })

  test('by PUT of the service; the same PUT again changes nothing, wherever the traffic is by then', async () => {
    const definition = solo({ blue: pool('blue1'), green: pool('green1') })
    await shop.done('PUT', SOLO, definition)
    expect(await split()).toEqual({ blue: 100, green: 0 })
    await shop.allUp('solo')
    await shop.done('POST', `${SOLO}/switch?wait=20s`, { to: 'green' })
    expect((await shop.done('PUT', SOLO, definition)).changed).toBe(false)
    expect(await split()).toEqual({ blue: 0, green: 100 })
  })

  test('and the first pool can go once it has no share, although the split named it', async () => {
    await shop.done('PUT', `${SOLO}/pools/green`, pool('green1'))
    await shop.allUp('solo')
    await shop.done('POST', `${SOLO}/switch?wait=20s`, { to: 'green' })
    await shop.done('PATCH', `${SOLO}?wait=20s`, { pools: { blue: null, canary: pool('blue1') } })
    expect(await split()).toEqual({ green: 100, canary: 0 })
    expect(await shop.ask('/solo')).toBe('green1')
  })

  test('but pools that replace the only one leave it open where the traffic goes: that has to be said', async () => {
    const pools = { one: pool('blue1'), two: pool('green1') }
    const { problems } = problem(await shop.api('PUT', `${SOLO}?force`, solo(pools)), 422, 'Invalid value')
    expect(problems).toEqual([
      { path: 'split', message: 'is missing; say which pool gets the traffic, such as {one: 100}' },
    ])
  })
})

test('a new service of two pools needs a split', async () => {
  const pools = { blue: pool('blue1'), green: pool('green1') }
  const { detail } = problem(await shop.api('PUT', SOLO, solo(pools)), 422, 'Invalid value')
  expect(detail).toContain('split: is missing; say which pool gets the traffic, such as {blue: 100}')
})

describe('a file that adds a second pool and gives no split', () => {
  const one = () => ({ solo: solo() })
  const two = () => ({ solo: solo({ blue: pool('blue1'), green: pool('green1') }) })

  test('is applied by a reload and by a restart, and what the store remembers stands', async () => {
    const first = await Cutover.start({ services: one() })
    onTestFinished(() => rm(first.dataPath, { recursive: true, force: true }))
    onTestFinished(async () => void (await first.stop('SIGKILL')))
    await first.configure({ services: two() })
    const reloaded = await first.api('POST', '/api/config/reload?wait=20s')
    expect([reloaded.status, reloaded.body.changed]).toEqual([200, true])
    const view = async (cutover: Cutover) => (await cutover.api('GET', SOLO)).body
    expect((await view(first)).split).toEqual({ blue: 100, green: 0 })
    await until(async () => (await view(first)).pools[1].up === 1)
    expect((await first.api('POST', `${SOLO}/switch?wait=20s`)).status).toBe(200)
    first.process.kill('SIGTERM')
    await first.exited

    const second = await Cutover.start({ services: two(), dataPath: first.dataPath })
    onTestFinished(async () => void (await second.stop('SIGKILL')))
    expect((await view(second)).split).toEqual({ blue: 0, green: 100 })
  })

  test('does not start an instance that knows nothing of the service', async () => {
    const cutover = await Cutover.launch({ services: two() })
    expect((await cutover.exited).code).toBe(2)
    expect(cutover.stderr).toContain('services.solo.split: is missing; say which pool gets the traffic')
    await cutover.stop()
  })
})
