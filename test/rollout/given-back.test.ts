import { expect, test } from 'vitest'
import { until } from '../support/until.ts'
import { dial, echoing } from '../traffic/websocket-peers.ts'
import { endedWell, Trials } from './trials.ts'

const trials = new Trials()

test.concurrent('R4 clients that stick to the canary get the stable pool at once', async () => {
  const trial = await trials.service('r4', { sticky: { cookie: 'server' } })
  const id = await trial.begin({ steps: [{ setWeight: 50 }, { pause: {} }] })
  await trial.seen(id, ({ reason }) => reason === 'Gate')
  const cookies: string[] = []
  while (cookies.length < 5) {
    const { body, cookies: set } = await trial.ask()
    const [cookie = ''] = set
    if (body === 'r4-new') cookies.push(cookie.split(';')[0] as string)
  }
  for (const cookie of cookies) expect((await trial.ask({ cookie })).body).toBe('r4-new')
  await trial.tell(id, 'abort?wait=10s')
  for (const cookie of cookies) expect((await trial.ask({ cookie })).body).toBe('r4-old')
})

test.concurrent('R21 of a promotion and an abort at once, 50 times: aborted wherever the abort was 200', async () => {
  const trial = await trials.service('r21')
  for (let i = 0; i < 50; i++) {
    const id = await trial.begin({ steps: [{ setWeight: 50 }, { pause: {} }], watch: { duration: '0s' } })
    const asked = i % 2 === 0 ? (['promote', 'abort'] as const) : (['abort', 'promote'] as const)
    const answers = await Promise.all(
      asked.map((verb) => trial.api('POST', `/rollouts/${id}/${verb}`, verb === 'promote' ? { full: true } : {})),
    )
    const aborted = answers[asked.indexOf('abort')]
    const { state, reason } = await trial.seen(id, ({ endedAt }) => endedAt !== null)
    if (aborted?.status === 409) {
      // The promotion was over when the abort arrived.
      expect([i % 2, state]).toEqual([0, 'Succeeded'])
      expect((await trial.api('POST', '/switch?wait=10s', { to: 'stable' })).status).toBe(200)
      continue
    }
    expect([aborted?.status, state, reason]).toEqual([200, 'Aborted', 'Manual'])
    expect((await trial.api('GET', '')).body.split).toEqual({ stable: 100, next: 0 })
  }
})

test.concurrent('R27 with all servers of the canary gone its requests go to the stable pool: none fails, and it is aborted', async () => {
  const trial = await trials.service('r27', { retry: { attempts: 3 } })
  const load = trial.load()
  const id = await trial.begin({ steps: [{ setWeight: 25 }, { pause: {} }] })
  await trial.seen(id, ({ reason }) => reason === 'Gate')
  await load.more(100)
  await trial.next.upstream.close()
  const { reason, detail, weight } = await trial.seen(id, ({ state }) => state === 'Aborted')
  expect([reason, weight.set]).toEqual(['CanaryUnhealthy', 0])
  expect(detail).toMatch(/no connection to the canary|none of the 1 servers of next is up/)
  await load.more(100)
  expect((await endedWell(load)).answers['r27-new']).toBeGreaterThan(10)
})

test('R28 blue-green with an approval, and back within a second; a WebSocket stays where it is', async () => {
  const trial = await trials.service('r28', { drain: { timeout: '1h' } })
  echoing(trial.stable.upstream)
  const load = trial.load()
  const client = await dial(trial.cutover, '/', trial.host)
  expect(await client.ask('before')).toBe('r28-old: before')
  const id = await trial.begin({ strategy: 'blueGreen', approval: true, watch: { duration: '1h' } })
  const waiting = await trial.seen(id, ({ reason }) => reason === 'Gate')
  expect([waiting.weight.set, waiting.step.gate]).toEqual([0, 'approval'])
  await trial.tell(id, 'gates/approval/approve')
  await trial.seen(id, ({ state, weight }) => state === 'Watching' && weight.set === 100)
  await load.more(50)
  expect(await client.ask('switched')).toBe('r28-old: switched')
  const askedAt = performance.now()
  await trial.tell(id, 'abort?wait=5s')
  expect(performance.now() - askedAt).toBeLessThan(2_000)
  await load.more(50)
  expect(trial.next.lastAt - askedAt).toBeLessThan(1_000)
  expect(await client.ask('back')).toBe('r28-old: back')
  expect((await trial.api('GET', '')).body.split).toEqual({ stable: 100, next: 0 })
  client.socket.close()
  await endedWell(load)
})

test.concurrent('R30 back to a pool with too few servers: refused with their number, unless it is forced, which is recorded', async () => {
  const trial = await trials.service('r30', { minReady: 1 })
  const id = await trial.begin({ strategy: 'blueGreen', watch: { duration: '1h' } })
  await trial.seen(id, ({ state }) => state === 'Watching')
  trial.stable.upstream.health = 503
  await until(async () => {
    const { pools } = (await trial.api('GET', '')).body
    return pools.find(({ name }: { name: string }) => name === 'stable').up === 0
  })
  const refused = await trial.api('POST', `/rollouts/${id}/abort`, { reason: 'back' })
  expect([refused.status, refused.body.detail]).toEqual([409, expect.stringMatching(/0 of its 1 servers up/)])
  expect((await trial.view(id)).state).toBe('Watching')
  const forced = await trial.api('POST', `/rollouts/${id}/abort?force`, { reason: 'back' })
  expect(forced.status).toBe(200)
  await trial.seen(id, ({ state }) => state === 'Aborted')
  const { body } = await trial.api('GET', '/history?limit=100')
  expect(body.history.map((each: { forced: boolean; reason: string }) => [each.forced, each.reason])).toContainEqual([
    true,
    'back',
  ])
})
