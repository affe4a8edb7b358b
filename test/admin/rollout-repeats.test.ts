import { expect, test } from 'vitest'
import { until } from '../support/until.ts'
import { useShop } from './support.ts'

const shop = useShop()
const PATH = '/api/services/shop/rollouts'

let used = 0
/** A key that nobody has used. */
const key = () => ({ 'idempotency-key': `rollout-${++used}` })

async function begin(settings: object) {
  const { status, body } = await shop.api('POST', PATH, { to: 'green', ...settings })
  expect([status, body.detail]).toEqual([201, undefined])
  return body.rollout
}

const view = async (id: string) => (await shop.done('GET', `${PATH}/${id}`)).rollout

/** A rollout whose canary has a request in flight that ends when the test says so. */
async function withBusyCanary(): Promise<{ id: string; request: Promise<string> }> {
  const { id } = await begin({ steps: [{ setWeight: 100 }, { pause: {} }] })
  await until(async () => (await view(id)).reason === 'Gate')
  const request = shop.ask('/hold')
  await until(async () => (await shop.view()).pools[1].inFlight === 1)
  return { id, request }
}

test('an abort that is repeated with its Idempotency-Key waits for the canary, also once the rollout has ended', async () => {
  const { id, request } = await withBusyCanary()
  const headers = key()
  const abort = (wait: string) => shop.api('POST', `${PATH}/${id}/abort?wait=${wait}`, undefined, headers)
  const first = await abort('100ms')
  expect([first.status, first.body.missing.underWay]).toEqual([504, [{ name: 'green', inFlight: 1 }]])
  await until(async () => (await view(id)).state === 'Aborted')
  const second = await abort('100ms')
  expect([second.status, second.body.revision, second.body.missing?.underWay]).toEqual([
    504,
    first.body.revision,
    [{ name: 'green', inFlight: 1 }],
  ])
  const third = abort('20s')
  shop.held.release()
  const { status, body } = await third
  expect([status, body.revision, body.drained]).toEqual([200, first.body.revision, ['green']])
  await request
})

test('a rollout that is begun twice with one Idempotency-Key is one, whether or not the answer was kept', async () => {
  const headers = key()
  const body = { to: 'green', steps: [{ setWeight: 10 }, { pause: {} }] }
  const answers = await Promise.all([1, 2, 3, 4].map(() => shop.api('POST', PATH, body, headers)))
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201]))
  expect(new Set(answers.map(({ body }) => body.rollout.id)).size).toBe(1)
  const { rollouts } = await shop.done('GET', PATH)
  expect(rollouts.filter(({ endedAt }: { endedAt: string | null }) => endedAt === null)).toHaveLength(1)
})

test('verbs at once with one Idempotency-Key move it once, and all are answered as done', async () => {
  const { id } = await begin({ steps: [{ pause: {} }, { pause: {} }, { pause: {} }, { pause: {} }] })
  await until(async () => (await view(id)).reason === 'Gate')
  const headers = key()
  const answers = await Promise.all([1, 2, 3, 4].map(() => shop.api('POST', `${PATH}/${id}/skip`, {}, headers)))
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200])
  expect((await view(id)).step.index).toBe(2)
})
