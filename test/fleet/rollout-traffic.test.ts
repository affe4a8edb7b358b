import { Pool } from 'undici'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { Cutover } from '../support/cutover.ts'
import { until } from '../support/until.ts'
import { begin, host, NEW, QUICK, RolloutStage, seen, tell, view } from './rollout-stage.ts'
import { INSTANCES } from './support.ts'

const IDS = Array.from({ length: 10_000 }, (_, i) => `${i.toString(36)}-client`)
const SOME = IDS.filter((_, i) => i % 10 === 0)
const CONNECTIONS = 16
/** Data planes of the fleet; each counts out shares for itself. */
const WORKERS = 6

let stage: RolloutStage
let a: Cutover
let b: Cutover
let c: Cutover
beforeAll(async () => {
  stage = await RolloutStage.start({
    services: {
      shop: {},
      counted: {},
      twice: {},
      verbs: {},
      dead: {},
      cookies: { splitBy: 'cookie' },
      users: { splitBy: 'header:x-user' },
    },
  })
  ;[a, b, c] = [stage.fleet.get('a'), stage.fleet.get('b'), stage.fleet.get('c')]
})
afterAll(() => stage?.stop())
beforeEach(() => {
  stage.badShare = 0
})

/** Resolves when a rollout is the same at every instance; null = it is not. */
async function sameEverywhere(service: string, id: string): Promise<void> {
  await until(async () => {
    const views = await Promise.all(stage.fleet.all.map((each) => view(each, service, id)))
    return new Set(views.map((each) => JSON.stringify(each))).size === 1
  }, 5_000).catch(async () => {
    const views = await Promise.all(stage.fleet.all.map((each) => view(each, service, id)))
    for (const each of views) expect(each).toEqual(views[0])
  })
}

test('R1 R26 a healthy canary gets its share at all instances, and the report has every request that was sent', async () => {
  const service = 'counted'
  const id = await begin(a, service, { steps: [{ setWeight: 20 }, { pause: {} }] })
  for (const each of stage.fleet.all) await seen(each, service, id, ({ reason }) => reason === 'Gate')
  const load = stage.load(service)
  await load.more(200)
  const { sent, completed, failures, ofCanary } = await load.stop()
  expect([completed, failures]).toEqual([sent, {}])
  expect(Math.abs(ofCanary - sent / 5)).toBeLessThanOrEqual(WORKERS)
  const known = await seen(
    b,
    service,
    id,
    ({ metrics: [{ canary, stable }] }) => canary.requests + stable.requests >= sent,
  )
  for (const { name, canary, stable } of known.metrics) {
    if (name === 'errors')
      expect([canary, stable]).toEqual([
        { requests: ofCanary, bad: 0 },
        { requests: sent - ofCanary, bad: 0 },
      ])
  }
  expect([known.weight.set, known.weight.drift, known.convergence.lagging]).toEqual([20, 'ok', []])
  await sameEverywhere(service, id)
  await tell(c, service, id, 'abort')
  await seen(a, service, id, ({ state }) => state === 'Aborted')
  await sameEverywhere(service, id)
})

test('R3 an abort at 50 % takes the canary from all instances within a second', async () => {
  const service = 'shop'
  const load = stage.load(service)
  const id = await begin(a, service, { steps: [{ setWeight: 50 }, { pause: {} }] })
  await seen(b, service, id, ({ reason }) => reason === 'Gate')
  await load.more(20)
  expect(load.ofCanary).toBeGreaterThan(20)
  const from = performance.now()
  const { weight } = await tell(c, service, id, 'abort', { reason: 'enough' })
  expect(weight.set).toBe(0)
  const done = await seen(a, service, id, ({ state }) => state === 'Aborted')
  expect([done.reason, done.detail]).toEqual(['Manual', 'aborted by local: enough'])
  await load.more(50)
  expect(stage.lastAtCanary(service) - from).toBeLessThan(1_000)
  expect((await load.stop()).failures).toEqual({})
})

test('R19 of two rollouts that begin at the same moment at two instances, one is refused, naming the other', async () => {
  const path = '/api/services/twice/rollouts'
  const answers = await Promise.all(
    [a, b].map((each) => each.api('POST', path, { to: 'next', steps: [{ pause: {} }] })),
  )
  expect(answers.map(({ status }) => status).sort()).toEqual([201, 409])
  const id = answers.find(({ status }) => status === 201)?.body.rollout.id
  expect(answers.find(({ status }) => status === 409)?.body.detail).toContain(id)
  for (const each of stage.fleet.all) {
    await seen(each, 'twice', id, ({ reason }) => reason === 'Gate')
    expect((await each.api('GET', path)).body.rollouts.map((each: { id: string }) => each.id)).toEqual([id])
  }
  await tell(c, 'twice', id, 'abort')
})

test('verbs are carried out wherever they are said, and shown everywhere', async () => {
  const service = 'verbs'
  const steps = [
    { setWeight: 10 },
    { pause: { for: '1h' } },
    { setWeight: 30 },
    { pause: { name: 'qa' } },
    { setWeight: 50 },
    { pause: {} },
  ]
  const id = await begin(c, service, { steps })
  const at = async (
    isSo: (rollout: { reason: string; weight: { set: number }; step: { index: number } }) => boolean,
  ) => {
    for (const each of stage.fleet.all) await seen(each, service, id, isSo)
    await sameEverywhere(service, id)
  }
  await at(({ reason, weight }) => reason === 'Step' && weight.set === 10)
  await tell(a, service, id, 'pause')
  await at(({ reason }) => reason === 'Manual')
  await tell(b, service, id, 'setWeight', { percent: 12 })
  await at(({ weight, reason }) => weight.set === 12 && reason === 'Manual')
  await tell(c, service, id, 'resume')
  await tell(a, service, id, 'promote')
  await at(({ reason, weight }) => reason === 'Gate' && weight.set === 30)
  await tell(b, service, id, 'back')
  await at(({ reason, weight }) => reason === 'Step' && weight.set === 10)
  await tell(a, service, id, 'promote', { toStep: 4 })
  await at(({ reason, weight }) => reason === 'Gate' && weight.set === 30)
  await tell(b, service, id, 'gates/qa/approve')
  await at(({ reason, step }) => reason === 'Gate' && step.index === 6)
  await tell(c, service, id, 'abort')
  await at(({ reason }) => reason === 'Manual')
  expect((await b.api('GET', `/api/services/${service}`)).body.split).toEqual({ stable: 100, next: 0 })
})

test('R2 a canary that always fails: its workers stop by themselves, and the fleet within a second', async () => {
  const service = 'dead'
  stage.badShare = 1
  const load = stage.load(service)
  const id = await begin(b, service, { steps: [{ setWeight: 20 }, { analysis: { duration: '60s' } }] })
  const aborting = await seen(c, service, id, ({ weight, reason }) => reason === 'fuse' && weight.set === 0, 20_000)
  const abortedAt = performance.now()
  expect(aborting.detail).toMatch(/^\d+ of \d+ answers of the canary failed, 0 of \d+ of the stable pool, at [abc]$/)
  await seen(a, service, id, ({ state }) => state === 'Aborted')
  await load.more(50)
  expect(stage.lastAtCanary(service) - abortedAt).toBeLessThan(1_000)
  const { failed, failures } = await load.stop()
  expect(failures).toEqual({ 'status 500': expect.any(Number) })
  // Two clients at each instance may be waiting for an answer.
  expect(failed).toBeLessThanOrEqual(10 * WORKERS + 2 * INSTANCES.length)
  await sameEverywhere(service, id)
})

/** Those of these clients whom an instance sends to the canary. */
async function insideAt(at: Cutover, service: string, ids: readonly string[]): Promise<ReadonlySet<string>> {
  const pool = new Pool(at.proxy, { connections: CONNECTIONS })
  const inside = new Set<string>()
  const left = ids.values()
  const client = async (): Promise<void> => {
    for (const id of left) {
      const identity = service === 'users' ? { 'x-user': id } : { cookie: `cutover_id=${id}` }
      const headers = { host: host(service), ...identity }
      const { statusCode, body } = await pool.request({ path: QUICK, method: 'GET', headers })
      expect(statusCode).toBe(200)
      if ((await body.text()) === NEW) inside.add(id)
    }
  }
  await Promise.all(Array.from({ length: CONNECTIONS }, client))
  await pool.close()
  return inside
}

/** The same of the whole fleet, each client at one instance: at another one than before, with every `turn`. */
async function inside(service: string, ids: readonly string[], turn: number): Promise<ReadonlySet<string>> {
  const parts = stage.fleet.all.map((each, i) =>
    insideAt(
      each,
      service,
      ids.filter((_, j) => (j + turn) % INSTANCES.length === i),
    ),
  )
  return new Set((await Promise.all(parts)).flatMap((part) => [...part]))
}

test.each([
  ['cookies', IDS],
  ['users', SOME],
])('R29 %s: from 5 to 10 to 25 percent nobody moves back, and three instances agree', async (service, ids) => {
  const weights = [5, 10, 25]
  const steps = weights.flatMap((setWeight) => [{ setWeight }, { pause: {} }])
  const id = await begin(a, service, { steps })
  let before: ReadonlySet<string> = new Set()
  for (const [turn, percent] of weights.entries()) {
    for (const each of stage.fleet.all)
      await seen(each, service, id, ({ reason, weight }) => reason === 'Gate' && weight.set === percent)
    const now = await inside(service, ids, turn)
    expect(before.isSubsetOf(now)).toBe(true)
    const expected = (ids.length * percent) / 100
    expect(Math.abs(now.size - expected)).toBeLessThan(5 * Math.sqrt(expected))
    const asked = ids.slice(0, 300)
    for (const each of stage.fleet.all)
      expect(await insideAt(each, service, asked)).toEqual(now.intersection(new Set(asked)))
    before = now
    if (percent < 25) await tell(b, service, id, 'promote')
  }
  await tell(c, service, id, 'abort')
})
