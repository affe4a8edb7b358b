import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { Relay } from '../support/relay.ts'
import { until } from '../support/until.ts'
import { begin, RolloutStage, seen, tell, view, writesOf } from './rollout-stage.ts'
import { INSTANCES, isStale } from './support.ts'

/** Time to notice that Redis is away and to tell the workers what follows, on a busy machine, ms. */
const SLACK_MS = 5_000

let stage: RolloutStage
/** The way of instance c to Redis. */
let relay: Relay
beforeAll(async () => {
  stage = await RolloutStage.empty({ services: { kept: {}, due: {}, lost: {}, cut: {} }, redis: { persist: true } })
  relay = await Relay.start(stage.fleet.redis.port)
  const ofC = { store: { redis: `redis://127.0.0.1:${relay.port}` } }
  await Promise.all(INSTANCES.map((name) => stage.fleet.add(name, name === 'c' ? ofC : {})))
  await stage.fleet.settled()
})
afterAll(async () => {
  await stage?.stop()
  await relay?.stop()
})

test('R18 an abort holds at once where Redis can be reached, and elsewhere after onStoreLoss.after', async () => {
  const { fleet } = stage
  const [a, b, c] = [fleet.get('a'), fleet.get('b'), fleet.get('c')]
  const id = await begin(a, 'cut', { steps: [{ setWeight: 50 }, { pause: {} }], onStoreLoss: { after: '5s' } })
  for (const each of fleet.all) await seen(each, 'cut', id, ({ reason }) => reason === 'Gate')
  const load = stage.load('cut', [a, b, c])
  await load.more(20)
  onTestFinished(() => relay.heal())
  await relay.cut()
  const cutAt = performance.now()
  await tell(b, 'cut', id, 'abort')
  await load.more(6)
  const atFirst = load.atCanary
  await load.more(20)
  const then = load.atCanary
  expect(then.slice(0, 2)).toEqual(atFirst.slice(0, 2))
  expect(then[2]).toBeGreaterThan(atFirst[2] as number)
  // Nothing has told it: its own time has run out.
  await until(async () => {
    const before = load.ofCanary
    await load.more(20)
    return load.ofCanary === before
  })
  expect(stage.lastAtCanary('cut') - cutAt).toBeGreaterThan(4_900)
  expect(stage.lastAtCanary('cut') - cutAt).toBeLessThan(5_000 + SLACK_MS)
  expect(await isStale(c)).toBe(true)
  expect((await view(c, 'cut', id)).weight.set).toBe(50)
  await relay.heal()
  await seen(c, 'cut', id, ({ state }) => state === 'Aborted', 20_000)
  const before = load.ofCanary
  await load.more(50)
  expect(load.ofCanary).toBe(before)
  expect((await load.stop()).failures).toEqual({})
  expect((await writesOf(fleet, id)).map(({ reason }) => reason)).not.toContain('StoreLost')
  for (const each of fleet.all) {
    expect((await each.api('GET', '/api/services/cut')).body.split).toEqual({ stable: 100, next: 0 })
    expect((await view(each, 'cut', id)).reason).toBe('Manual')
  }
})

test('R16 R17 while Redis is away nothing goes on; after onStoreLoss.after the stable pool has all, until a person says so', async () => {
  const { fleet } = stage
  const [a, b, c] = [fleet.get('a'), fleet.get('b'), fleet.get('c')]
  const kept = await begin(a, 'kept', { steps: [{ setWeight: 50 }, { analysis: { duration: '1h' } }] })
  const loads = { kept: stage.load('kept'), lost: stage.load('lost') }
  await seen(c, 'kept', kept, ({ step }) => step.soakSeconds >= 1)
  const due = await begin(b, 'due', {
    steps: [{ setWeight: 40 }, { pause: { for: '7s' } }, { setWeight: 60 }, { pause: {} }],
  })
  const lost = await begin(c, 'lost', {
    steps: [{ setWeight: 50 }, { pause: { for: '7s' } }, { setWeight: 80 }, { pause: {} }],
    onStoreLoss: { after: '2s' },
  })
  const sinceOf = async (service: string, id: string): Promise<number> => {
    for (const each of fleet.all) await seen(each, service, id, ({ reason }) => reason === 'Step')
    return Date.parse((await view(a, service, id)).step.since)
  }
  const over = Math.max(await sinceOf('due', due), await sinceOf('lost', lost)) + 7_000

  await fleet.redis.kill()
  const awayAt = performance.now()
  await until(async () => (await Promise.all(fleet.all.map(isStale))).every((stale) => stale))
  const before = await view(a, 'kept', kept)
  await until(async () => {
    const soFar = loads.lost.ofCanary
    await loads.lost.more(20)
    return loads.lost.ofCanary === soFar && performance.now() - awayAt > 2_000
  })
  expect(stage.lastAtCanary('lost') - awayAt).toBeGreaterThan(1_900)
  expect(stage.lastAtCanary('lost') - awayAt).toBeLessThan(2_000 + SLACK_MS)
  const quietAt = loads.lost.ofCanary
  const ofKept = loads.kept.atCanary
  await until(() => Date.now() > over + 1_000)
  expect(loads.lost.ofCanary).toBe(quietAt)
  expect(loads.kept.atCanary.every((count, i) => count > (ofKept[i] as number))).toBe(true)
  for (const each of fleet.all) {
    const now = await view(each, 'kept', kept)
    expect([now.state, now.weight.set, now.step.soakSeconds]).toEqual(['Progressing', 50, before.step.soakSeconds])
    expect(await view(each, 'due', due)).toMatchObject({ reason: 'Step', weight: { set: 40 }, step: { index: 2 } })
  }

  await fleet.redis.restart()
  await until(async () => !(await Promise.all(fleet.all.map(isStale))).some((stale) => stale))
  const backAt = performance.now()
  // What was due goes on, and nothing of the time without Redis counts as soak.
  await seen(b, 'due', due, ({ step, weight }) => step.index === 4 && weight.set === 60)
  const later = await seen(b, 'kept', kept, ({ step }) => step.soakSeconds >= before.step.soakSeconds + 2)
  expect(later.step.soakSeconds - before.step.soakSeconds).toBeLessThanOrEqual((performance.now() - backAt) / 1_000 + 1)
  const paused = await seen(b, 'lost', lost, ({ reason }) => reason === 'StoreLost')
  expect([paused.state, paused.weight.set]).toEqual(['Paused', 0])
  expect(paused.detail).toMatch(/^the store was away: [abc] has returned all requests to the stable pool$/)
  const writes = await writesOf(fleet, lost)
  expect(new Set(writes.filter(({ reason }) => reason === 'StoreLost').map(({ since }) => since)).size).toBe(1)
  expect(writes.every(({ weight }) => weight <= 50)).toBe(true)
  expect(loads.lost.ofCanary).toBe(quietAt)

  await tell(a, 'lost', lost, 'resume')
  await seen(c, 'lost', lost, ({ weight, reason }) => weight.set === 50 && reason === 'Step')
  await until(() => loads.lost.ofCanary > quietAt + 50)
  for (const load of Object.values(loads)) expect((await load.stop()).failures).toEqual({})
})
