import { isDeepStrictEqual } from 'node:util'
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest'
import type { Cutover } from '../support/cutover.ts'
import { until } from '../support/until.ts'
import { BLUE } from './app.ts'
import { Fleet, instanceView, killWhole, pids, reached } from './support.ts'

const VIEWS = ['services', 'services/shop', 'servers', 'servers/blue1', 'instances']

let fleet: Fleet
let a: Cutover
let b: Cutover
let c: Cutover
beforeAll(async () => {
  fleet = await Fleet.start()
})
afterAll(() => fleet?.stop())
beforeEach(async () => {
  await fleet.reset()
  ;[a, b, c] = [fleet.get('a'), fleet.get('b'), fleet.get('c')]
})

/**
 * Stops the control process of an instance until the end of the test, and resolves when the others know it to be gone.
 */
async function stopControl(at: Cutover, name: string): Promise<{ id: string; resume: () => void }> {
  const { id } = await instanceView(a, name)
  const [pid = 0] = await pids(at, 'control')
  const resume = (): void => {
    process.kill(pid, 'SIGCONT')
  }
  onTestFinished(resume)
  process.kill(pid, 'SIGSTOP')
  for (const other of fleet.all.filter((each) => each !== at)) {
    await until(async () => (await other.api('GET', `/api/instances/${id}`)).body.live === false)
  }
  return { id, resume }
}

/** What the views of an instance say of instances that are left out. */
function leftOutAt(at: Cutover): Promise<(string[] | undefined)[]> {
  return Promise.all(VIEWS.map(async (path) => (await at.api('GET', `/api/${path}`)).body.leftOut))
}

/** Every view of these instances names those, now or by the next beats: each instance finds out for itself. */
async function expectLeftOut(names: string[] | undefined, where: readonly Cutover[]): Promise<void> {
  const wanted = VIEWS.map(() => names)
  for (const each of where) {
    let seen: unknown
    const isSo = async () => {
      seen = await leftOutAt(each)
      return isDeepStrictEqual(seen, wanted)
    }
    await until(isSo).catch(() => expect(seen).toEqual(wanted))
  }
}

test('an instance that was out of touch before a command is named in every answer until it is back', async () => {
  const stopped = await stopControl(b, 'b')
  const waited = await a.api('POST', '/api/services/shop/switch?wait=10s', { to: 'green' })
  expect([waited.status, waited.body.drained, waited.body.leftOut]).toEqual([200, ['blue'], ['b']])
  // Rightly so: its workers go on as they were told last.
  expect(await reached(b)).toEqual(BLUE)
  const drained = await c.api('POST', '/api/servers/green1/drain')
  expect([drained.status, drained.body.leftOut]).toEqual([200, ['b']])
  const unchanged = await c.api('POST', '/api/servers/green1/drain?wait=10s')
  expect([unchanged.body.changed, unchanged.body.drained, unchanged.body.leftOut]).toEqual([false, ['green1'], ['b']])
  await expectLeftOut(['b'], [a, c])
  const outOfTouch = { status: 'degraded', detail: expect.stringMatching(/^out of touch: b; .*DELETE/) }
  for (const each of [a, c]) expect((await each.api('GET', '/health')).body.parts.fleet).toEqual(outOfTouch)

  stopped.resume()
  const ended = async () => [...(await leftOutAt(a)), ...(await leftOutAt(c))].every((names) => names === undefined)
  await until(ended)
  expect((await a.api('GET', '/health')).body.parts.fleet).toEqual({ status: 'ok', detail: null })
  const back = await a.api('POST', '/api/services/shop/switch?wait=20s', { to: 'blue' })
  expect([back.status, back.body.drained, back.body.leftOut]).toEqual([200, ['green'], undefined])
  expect(await reached(b)).toEqual(BLUE)
})

test('an operator strikes off an instance that is out of touch, with author and reason; it counts again once it is back', async () => {
  const alive = await a.api('DELETE', '/api/instances/b')
  expect([alive.status, alive.body.title]).toEqual([409, 'Instance alive'])
  expect((await a.api('DELETE', '/api/instances/a')).status).toBe(409)
  const { id, resume } = await stopControl(b, 'b')
  const unknown = await a.api('DELETE', '/api/instances/bb')
  expect([unknown.status, unknown.body.known.includes('b')]).toEqual([404, true])
  await expectLeftOut(['b'], [a, c])

  const struck = await a.api('DELETE', `/api/instances/${id}?reason=burnt+down`)
  expect([struck.status, struck.body.instance.name, struck.body.leftOut]).toEqual([200, 'b', undefined])
  await until(async () => (await leftOutAt(c)).every((names) => names === undefined))
  await expectLeftOut(undefined, [a, c])
  const record = /"instance":"b","by":"local","reason":"burnt down","msg":"an instance was struck off"/
  for (const each of [a, c]) await until(() => record.test(each.stderr))
  expect((await a.api('DELETE', `/api/instances/${id}`)).status).toBe(404)

  resume()
  await until(async () => (await a.api('GET', `/api/instances/${id}`)).body.live)
  const back = await a.api('POST', '/api/services/shop/switch?wait=20s', { to: 'green' })
  expect([back.status, back.body.leftOut]).toEqual([200, undefined])
  expect(await reached(b)).not.toContain('blue1')
})

test('an instance that is gone is named by one that starts later, and after Redis was emptied', async () => {
  await killWhole(c)
  await until(async () => (await instanceView(a, 'c')).live === false)
  await fleet.redis.cli('FLUSHALL')
  await until(async () => (await fleet.redis.cli('HLEN', '{cutover}:instances')) === '3')
  await expectLeftOut(['c'], [a, b])
  const later = await fleet.add('c', { fleet: { name: 'later' } })
  await until(async () => (await instanceView(later, 'c')).live === false)
  await expectLeftOut(['c'], [a, b, later])
  const { status, body } = await later.api('POST', '/api/services/shop/switch?wait=10s', { to: 'green' })
  expect([status, body.drained, body.leftOut]).toEqual([200, ['blue'], ['c']])
  await later.stop()
  await fleet.add('c')
})

test('an instance that is out of touch is named though Redis was emptied and every process that knew it was killed', async () => {
  const [pid = 0] = await pids(c, 'control')
  onTestFinished(() => {
    process.kill(pid, 'SIGCONT')
  })
  process.kill(pid, 'SIGSTOP')
  for (const each of [a, b]) for (const control of await pids(each, 'control')) process.kill(control, 'SIGKILL')
  await fleet.redis.cli('FLUSHALL')
  for (const each of [a, b]) await until(async () => (await each.api('GET', '/ready')).status === 200)
  const { status, body } = await a.api('POST', '/api/services/shop/switch?wait=20s', { to: 'green' })
  expect([status, body.drained, body.leftOut]).toEqual([200, ['blue'], ['c']])
  expect(await reached(c)).toEqual(BLUE)
})

test('an instance that was killed and is started again at the same place replaces the one before it', async () => {
  const { id, address } = await instanceView(a, 'c')
  await killWhole(c)
  await until(async () => (await instanceView(a, 'c')).live === false)
  await expectLeftOut(['c'], [a, b])
  await fleet.add('c', { admin: { listen: address.replace('http://', '') } })
  await until(async () => (await a.api('GET', `/api/instances/${id}`)).status === 404)
  await until(async () => (await leftOutAt(b)).every((names) => names === undefined))
  await expectLeftOut(undefined, fleet.all)
})
