import type { IncomingMessage, ServerResponse } from 'node:http'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { Cutover } from '../support/cutover.ts'
import { Load } from '../support/load.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'
import { expectNoneFailed, Fleet, INSTANCES, type InstanceName, isStale, killWhole, until } from './support.ts'

const HOST = 'canary.test'
const NAMES = ['old1', 'new1']
const PATH = '/api/services/canary/rollouts'

let fleet: Fleet
let old: Upstream
let young: Upstream
/** Whether the canary fails. */
let isFailing = false

beforeAll(async () => {
  const handler = (name: string) => (request: IncomingMessage, response: ServerResponse) => {
    request.resume()
    response.statusCode = isFailing && name === 'new1' ? 500 : 200
    response.end(name)
  }
  old = await startUpstream(handler('old1'), { name: 'old1' })
  young = await startUpstream(handler('new1'), { name: 'new1' })
  fleet = await Fleet.start({}, { persist: true })
})
afterAll(async () => {
  await fleet?.stop()
  await Promise.all([old?.close(), young?.close()])
})
beforeEach(async () => {
  isFailing = false
  await Promise.all(
    INSTANCES.map(async (name) => {
      const { exitCode, signalCode } = fleet.get(name).process
      if (exitCode !== null || signalCode !== null) await fleet.add(name)
    }),
  )
  await fleet.settled()
  const pools = { stable: { servers: { old1: old.url } }, next: { servers: { new1: young.url } } }
  const definition = { hosts: [HOST], pools, split: { stable: 100 }, health: { interval: '200ms' } }
  const defined = await fleet.get('a').api('PUT', '/api/services/canary?force&wait=10s', definition)
  expect([defined.status, defined.body.detail]).toEqual([200, undefined])
  await fleet.get('a').api('POST', '/api/services/canary/switch?force&wait=10s', { to: 'stable' })
  await until(async () => {
    const { pools: views } = (await fleet.get('a').api('GET', '/api/services/canary')).body
    return views.every(({ up }: { up: number }) => up === 1)
  })
})

async function begin(at: Cutover, settings: object): Promise<string> {
  const analysis = { tick: '1s', minRequests: 5 }
  const { status, body } = await at.api('POST', PATH, { to: 'next', analysis, ...settings })
  expect([status, body.detail]).toEqual([201, undefined])
  return body.rollout.id
}

async function view(at: Cutover, id: string) {
  return (await at.api('GET', `${PATH}/${id}`)).body.rollout
}

function loads(): Load[] {
  return fleet.all.map(
    ({ proxy }) => new Load({ url: `${proxy}/`, clients: 2, names: NAMES, hostHeader: HOST, onlyGet: true }),
  )
}

async function stopAll(running: readonly Load[]): Promise<void> {
  for (const figures of await Promise.all(running.map((load) => load.stop()))) expectNoneFailed(figures)
}

test('R1 a healthy canary gets its shares at all instances, and in the end all of the traffic; no request fails', async () => {
  const running = loads()
  const id = await begin(fleet.get('a'), {
    steps: [{ setWeight: 10 }, { analysis: { duration: '3s' } }, { setWeight: 50 }, { analysis: { duration: '3s' } }],
    watch: { duration: '2s' },
  })
  const done = await until(async () => {
    const { state, detail } = await view(fleet.get('b'), id)
    expect([state, detail]).not.toEqual(['Aborted', detail])
    return state === 'Succeeded' ? state : null
  }, 40_000)
  expect(done).toBe('Succeeded')
  await stopAll(running)
  for (const each of fleet.all) {
    const { split } = (await each.api('GET', '/api/services/canary')).body
    expect(split).toEqual({ stable: 0, next: 100 })
    expect(await view(each, id)).toEqual(await view(fleet.get('a'), id))
  }
})

test('R2 a canary that always fails is closed by the workers, and the rollout aborts in the whole fleet', async () => {
  isFailing = true
  const before = young.requests.length
  const running = loads()
  const id = await begin(fleet.get('b'), { steps: [{ setWeight: 5 }, { analysis: { duration: '60s' } }] })
  await until(async () => (await view(fleet.get('c'), id)).state === 'Aborted', 20_000)
  const { reason, detail, weight } = await view(fleet.get('a'), id)
  expect([reason, weight.set]).toEqual(['fuse', 0])
  expect(detail).toMatch(/answers of the canary failed/)
  const figures = await Promise.all(running.map((load) => load.stop()))
  const failed = figures.reduce((sum, each) => sum + each.failed, 0)
  // Six workers, ten failures each, and what was in flight: two clients at each instance.
  expect(failed).toBeLessThanOrEqual(6 * 10 + 6)
  expect(young.requests.length - before).toBe(failed)
})

test('R3 an abort at 50 % takes the canary from all instances in less than a second', async () => {
  const running = loads()
  const id = await begin(fleet.get('a'), { steps: [{ setWeight: 50 }, { pause: {} }] })
  await until(async () => (await view(fleet.get('b'), id)).reason === 'Gate')
  const startedAt = performance.now()
  const answer = await fleet.get('c').api('POST', `${PATH}/${id}/abort?wait=10s`, { reason: 'enough' })
  expect([answer.status, answer.body.rollout.weight.set]).toEqual([200, 0])
  expect(performance.now() - startedAt).toBeLessThan(3_000)
  const after = young.requests.length
  await Promise.all(running.map((load) => load.more(200)))
  expect(young.requests.length).toBe(after)
  await stopAll(running)
  await until(async () => (await view(fleet.get('a'), id)).state === 'Aborted')
})

test('R14 another instance goes on where the leader was killed: the pause ends when it was to end', async () => {
  const id = await begin(fleet.get('a'), { steps: [{ setWeight: 10 }, { pause: { for: '14s' } }, { setWeight: 20 }] })
  const before = await until(async () => {
    const rollout = await view(fleet.get('b'), id)
    return rollout.reason === 'Step' && rollout.leader !== null ? rollout : null
  })
  const leader: InstanceName = before.leader
  const other = fleet.get(INSTANCES.find((name) => name !== leader) as InstanceName)
  await killWhole(fleet.get(leader))
  const killedAt = performance.now()
  const after = await until(async () => {
    const rollout = await view(other, id)
    return rollout.epoch > before.epoch && rollout.leader !== leader ? rollout : null
  }, 14_000)
  expect(performance.now() - killedAt).toBeLessThan(13_000)
  expect([after.epoch, after.weight.set >= 10]).toEqual([before.epoch + 1, true])
  const ended = await until(async () => {
    const rollout = await view(other, id)
    return rollout.step.index === 3 ? rollout : null
  }, 20_000)
  const waitedMs = Date.parse(ended.step.since) - Date.parse(before.step.since)
  expect(waitedMs).toBeGreaterThanOrEqual(14_000)
  expect(waitedMs).toBeLessThan(16_500)
  await other.api('POST', `${PATH}/${id}/abort?force`)
})

test('R17 without the store, all return to the stable pool after a while; then it waits for a person', async () => {
  const running = loads()
  const id = await begin(fleet.get('a'), {
    steps: [{ setWeight: 50 }, { pause: { for: '1h' } }],
    onStoreLoss: { after: '4s' },
  })
  await until(async () => (await view(fleet.get('b'), id)).reason === 'Step')
  await fleet.redis.kill()
  await until(async () => (await Promise.all(fleet.all.map(isStale))).every((stale) => stale))
  const during = young.requests.length
  await Promise.all(running.map((load) => load.more(50)))
  expect(young.requests.length).toBeGreaterThan(during)
  let last = -1
  await until(async () => {
    const seen = young.requests.length
    await Promise.all(running.map((load) => load.more(100)))
    const isQuiet = young.requests.length === seen && seen === last
    last = seen
    return isQuiet
  }, 20_000)
  await fleet.redis.restart()
  const back = await until(async () => {
    const rollout = await view(fleet.get('c'), id)
    return rollout.reason === 'StoreLost' ? rollout : null
  }, 20_000)
  expect([back.state, back.weight.set]).toEqual(['Paused', 0])
  await fleet.get('a').api('POST', `${PATH}/${id}/resume`)
  await until(async () => (await view(fleet.get('b'), id)).weight.set === 50, 20_000)
  const again = young.requests.length
  await Promise.all(running.map((load) => load.more(200)))
  expect(young.requests.length).toBeGreaterThan(again)
  await stopAll(running)
  expect((await fleet.get('a').api('POST', `${PATH}/${id}/abort`)).status).toBe(200)
})

test('R19 of two that begin at the same moment at two instances, one is refused', async () => {
  const ask = (name: InstanceName) => fleet.get(name).api('POST', PATH, { to: 'next', steps: [{ pause: {} }] })
  const answers = await Promise.all([ask('a'), ask('b')])
  expect(answers.map(({ status }) => status).toSorted()).toEqual([201, 409])
  const { body } = answers.find(({ status }) => status === 201) as (typeof answers)[number]
  expect(answers.find(({ status }) => status === 409)?.body.detail).toContain(body.rollout.id)
  await fleet.get('c').api('POST', `${PATH}/${body.rollout.id}/abort`)
})
