import type { IncomingMessage, ServerResponse } from 'node:http'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { Relay } from '../support/relay.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'
import { begin, leaderOf, RolloutStage, seen, tell, view, writesOf } from './rollout-stage.ts'
import { INSTANCES, type InstanceName, killWhole, pids } from './support.ts'

/** Its lease runs out after 10 s, and the others try once a second. */
const TAKEN_OVER_MS = 11_000
/** For the machine that the test runs on, ms. */
const SLACK_MS = 2_000

let stage: RolloutStage
/** The way of each instance to Redis. */
let relays: Readonly<Record<InstanceName, Relay>>
let hook: Upstream
/** Calls of the hook that have no answer yet. */
const waiting: ServerResponse[] = []

beforeAll(async () => {
  hook = await startUpstream((request: IncomingMessage, response: ServerResponse) => {
    request.resume()
    waiting.push(response)
  })
  stage = await RolloutStage.empty({ services: { timed: {}, hooked: {}, stopped: {} } })
  const port = stage.fleet.redis.port
  const started = await Promise.all(INSTANCES.map(async (name) => [name, await Relay.start(port)] as const))
  relays = Object.fromEntries(started) as typeof relays
  await Promise.all(INSTANCES.map(add))
  await stage.fleet.settled()
})
afterAll(async () => {
  await stage?.stop()
  await Promise.all([hook?.close(), ...Object.values(relays ?? {}).map((relay) => relay.stop())])
})

function add(name: InstanceName) {
  return stage.fleet.add(name, { store: { redis: `redis://127.0.0.1:${relays[name].port}` } })
}

/** Epochs of the writes of a rollout, oldest first. */
async function epochsOf(id: string): Promise<number[]> {
  return (await writesOf(stage.fleet, id)).map(({ epoch }) => epoch)
}

test('R14 R25 where the leader was killed another one goes on: a pause ends on time, and a hook is called again with its key', async () => {
  const { fleet } = stage
  const [a] = fleet.all as [(typeof fleet.all)[0]]
  const timed = await begin(a, 'timed', {
    steps: [{ setWeight: 10 }, { pause: { for: '14s' } }, { setWeight: 20 }, { pause: {} }],
  })
  const before = await seen(a, 'timed', timed, ({ reason }) => reason === 'Step')
  const { name, leader, others, epoch } = await leaderOf(fleet, 'timed', timed)
  const load = stage.load('timed', others)

  // Whoever looks first runs it: it is begun again until that is the same instance.
  const steps = [{ hook: { url: `${hook.url}/smoke`, timeout: '60s' } }, { pause: {} }]
  const beginHooked = async (): Promise<string> => {
    const calls = hook.requests.length
    const id = await begin(leader, 'hooked', { steps })
    await hook.arrived(calls + 1)
    if ((await leaderOf(fleet, 'hooked', id)).name === name) return id
    await tell(leader, 'hooked', id, 'abort')
    await seen(leader, 'hooked', id, ({ state }) => state === 'Aborted')
    return beginHooked()
  }
  const hooked = await beginHooked()
  const callsBefore = hook.requests.length

  await killWhole(leader)
  const killedAt = performance.now()
  const after = await seen(others[0], 'timed', timed, (rollout) => rollout.epoch > epoch, TAKEN_OVER_MS + SLACK_MS)
  expect([after.epoch, after.leader === name, after.weight.set, after.reason]).toEqual([epoch + 1, false, 10, 'Step'])
  expect(performance.now() - killedAt).toBeLessThan(TAKEN_OVER_MS + SLACK_MS)

  await hook.arrived(callsBefore + 1)
  const keys = hook.requests.slice(callsBefore - 1).map(({ headers }) => headers['idempotency-key'])
  expect(keys).toEqual([`hooked-${hooked}-1-1`, `hooked-${hooked}-1-1`])
  for (const response of waiting.splice(0)) response.end()
  await seen(
    others[1],
    'hooked',
    hooked,
    ({ reason, step }) => reason === 'Gate' && step.index === 2 && step.attempt === 1,
  )
  const { body } = await others[0].api('GET', '/api/services/hooked/history')
  const entries = body.history.filter(
    ({ to }: { to: { rollout?: string; step?: number } }) => to.rollout === hooked && to.step === 2,
  )
  expect(entries).toHaveLength(1)

  const ended = await seen(others[0], 'timed', timed, ({ step }) => step.index >= 3, 14_000)
  const next = await seen(others[1], 'timed', timed, ({ reason }) => reason === 'Gate')
  expect(ended.weight.set).toBe(20)
  const waitedMs = Date.parse((ended.step.index === 3 ? ended : next).step.since) - Date.parse(before.step.since)
  expect(waitedMs).toBeGreaterThanOrEqual(14_000)
  expect(waitedMs).toBeLessThan(14_000 + 1_000 + SLACK_MS)
  expect((await load.stop()).failures).toEqual({})
  const weights = (await writesOf(fleet, timed)).map(({ weight }) => weight)
  expect(weights).toEqual([...weights].sort((x, y) => x - y))
  await add(name)
  await fleet.settled()
})

test('R15 a leader that was stopped for longer than its lease writes nothing any more: each epoch has one writer', async () => {
  const { fleet } = stage
  const id = await begin(fleet.get('b'), 'stopped', { steps: [{ setWeight: 30 }, { analysis: { duration: '1h' } }] })
  const { name, leader, others, epoch } = await leaderOf(fleet, 'stopped', id)
  const load = stage.load('stopped', others)
  await seen(others[0], 'stopped', id, ({ metrics: [errors] }) => errors.canary.requests > 0)
  // It writes with every tick; this write is still on its way when it has lost the lease.
  const processes = await pids(leader)
  await relays[name].freezeBeforeRequest(`"${id}"`)
  const resume = (): void => {
    for (const pid of processes) process.kill(pid, 'SIGCONT')
  }
  onTestFinished(resume)
  for (const pid of processes) process.kill(pid, 'SIGSTOP')
  const after = await seen(others[0], 'stopped', id, (rollout) => rollout.epoch > epoch, TAKEN_OVER_MS + SLACK_MS)
  expect([after.epoch, after.weight.set]).toEqual([epoch + 1, 30])
  relays[name].thaw()
  resume()
  await fleet.settled()
  await seen(leader, 'stopped', id, (rollout) => rollout.epoch === epoch + 1 && rollout.leader !== name)
  const known = await writesOf(fleet, id)
  const judged = (await view(leader, 'stopped', id)).metrics[0].canary.requests
  await seen(others[0], 'stopped', id, ({ metrics: [errors] }) => errors.canary.requests > judged)
  expect((await load.stop()).failures).toEqual({})
  expect(leader.stderr).toMatch(new RegExp(`outcome was unknown .*/${id}\\) was not made`))
  const epochs = await epochsOf(id)
  expect(epochs.length).toBeGreaterThan(known.length)
  // Neither mixed nor doubled: an epoch ends where the next one begins.
  expect(epochs).toEqual([...epochs].sort((x, y) => x - y))
  expect(new Set(epochs.filter((each) => each > 0))).toEqual(new Set([epoch, epoch + 1]))
  expect((await view(leader, 'stopped', id)).weight).toMatchObject({ set: 30, drift: 'ok' })
})
