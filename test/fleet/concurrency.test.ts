import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { Answer, Cutover } from '../support/cutover.ts'
import { until } from '../support/until.ts'
import { BLUE } from './app.ts'
import { expectEqual } from './equal.ts'
import { Fleet, INSTANCES, killControl, pids, reached, serverView, shop } from './support.ts'

let fleet: Fleet
let a: Cutover
let b: Cutover
let c: Cutover
beforeAll(async () => {
  fleet = await Fleet.start()
  ;[a, b, c] = INSTANCES.map((name) => fleet.get(name)) as [Cutover, Cutover, Cutover]
})
afterAll(() => fleet?.stop())
beforeEach(() => fleet.reset())

/** A switch to the other pool, under a key. */
function toggle(at: Cutover, key: string, body: object = {}, query = ''): Promise<Answer> {
  return at.api('POST', `/api/services/shop/switch${query}`, body, { 'idempotency-key': key })
}

/** The switches that the history has since a revision, oldest first. */
async function switchesSince(at: Cutover, revision: number): Promise<{ revision: number; to: object }[]> {
  const { history } = (await at.api('GET', '/api/services/shop/history?limit=1000')).body
  const since = history.filter((each: { revision: number; action: string }) => each.revision > revision)
  return since.filter(({ action }: { action: string }) => action === 'switch').reverse()
}

async function revisionOf(at: Cutover): Promise<number> {
  return (await at.api('GET', '/api/instances')).body.revision
}

test('S3 of two writers with one If-Match at two instances one wins, the other gets 412, and all are equal', async () => {
  for (let round = 0; round < 30; round++) {
    const { revision, split } = await shop(a)
    const header = { 'if-match': `"${revision}"` }
    // Neither of them says what is so already.
    const [one, other] = [50, 80].includes(split.blue) ? [60, 70] : [50, 80]
    const at = [fleet.get(INSTANCES[round % 3] ?? 'a'), fleet.get(INSTANCES[(round + 1) % 3] ?? 'b')] as const
    await until(async () => (await Promise.all(at.map(shop))).every((each) => each.revision === revision))
    const answers = await Promise.all([
      at[0].api('POST', '/api/services/shop/shift', { to: 'blue', percent: one }, header),
      at[1].api('POST', '/api/services/shop/shift', { to: 'blue', percent: other }, header),
    ])
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 412])
    const won = answers[0].status === 200 ? one : other
    const refused = answers.find(({ status }) => status === 412)
    expect(refused?.body).toMatchObject({
      title: 'The resource has moved on',
      expected: revision,
      actual: revision + 1,
    })
    await expectEqual(fleet)
    const { split: now, revision: then } = await shop(c)
    expect([now.blue, then]).toEqual([won, revision + 1])
  }
})

test('a shift at one instance and a drain at another at the same moment both stand', async () => {
  for (let percent = 10; percent < 25; percent++) {
    const [shifted, drained] = await Promise.all([
      a.api('POST', '/api/services/shop/shift?wait=10s', { to: 'green', percent }),
      b.api('POST', `/api/servers/blue1/${percent % 2 === 0 ? 'drain' : 'enable'}?wait=10s`),
    ])
    expect([shifted.status, drained.status]).toEqual([200, 200])
    await expectEqual(fleet)
    expect((await shop(c)).split).toEqual({ blue: 100 - percent, green: percent })
    expect((await serverView(c, 'blue1')).state).toBe(percent % 2 === 0 ? 'drain' : 'ready')
  }
})

test('writes at all instances at once are made one after the other, and none is lost', async () => {
  const before = await revisionOf(a)
  const weights = Array.from({ length: 30 }, (_, i) => i + 2)
  const answers = await Promise.all(
    weights.map((weight, i) => fleet.get(INSTANCES[i % 3] ?? 'a').api('PATCH', '/api/servers/green2', { weight })),
  )
  expect(answers.map(({ status }) => status)).toEqual(weights.map(() => 200))
  const revisions = answers.map(({ body }) => body.revision).sort((x, y) => x - y)
  expect(revisions).toEqual(weights.map((_, i) => before + 1 + i))
  await expectEqual(fleet)
})

test('a toggle that is repeated with its Idempotency-Key at another instance does not switch back', async () => {
  const key = randomUUID()
  const before = await revisionOf(a)
  const first = await toggle(a, key)
  expect([first.status, first.body.changed, first.headers.get('idempotency-replayed')]).toEqual([200, true, null])
  for (const each of [b, c, a, b]) {
    const again = await toggle(each, key)
    expect([again.status, again.headers.get('idempotency-replayed')]).toEqual([200, 'true'])
    expect(again.body).toEqual(first.body)
    expect(again.headers.get('etag')).toBe(first.headers.get('etag'))
  }
  expect(await switchesSince(c, before)).toMatchObject([{ revision: first.body.revision, to: { green: 100 } }])
  // With another key it is another switch.
  expect((await toggle(b, randomUUID())).body.service.split).toEqual({ blue: 100, green: 0 })
})

test('ten toggles at once at three instances with one Idempotency-Key make one revision', async () => {
  for (let round = 0; round < 5; round++) {
    const key = randomUUID()
    const before = await revisionOf(a)
    await until(async () => (await Promise.all(fleet.all.map(revisionOf))).every((each) => each === before))
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, i) => toggle(fleet.get(INSTANCES[i % 3] ?? 'a'), key, {}, '?wait=10s')),
    )
    expect(answers.map(({ status, body }) => [status, body.revision])).toEqual(answers.map(() => [200, before + 1]))
    await expectEqual(fleet)
    expect(await switchesSince(b, before)).toHaveLength(1)
  }
})

test('another body under a key that is taken is refused with 422 at every instance, and changes nothing', async () => {
  const key = randomUUID()
  const { body } = await toggle(a, key, { to: 'green' })
  for (const each of fleet.all) {
    const other = await toggle(each, key, { to: 'blue' })
    expect([other.status, other.body.problems[0].path]).toEqual([422, 'Idempotency-Key'])
  }
  // And what was asked for first is still answered as it was.
  expect((await toggle(b, key, { to: 'green' })).body).toEqual(body)
  expect((await shop(c)).split).toEqual({ blue: 0, green: 100 })
})

test('a toggle whose answer was lost with the control process is not made twice', async () => {
  for (let round = 0; round < 4; round++) {
    const key = randomUUID()
    const before = await revisionOf(a)
    const { split } = await shop(a)
    const [control = 0] = await pids(b, 'control')
    const lost = toggle(b, key).catch(() => null)
    // Killed at another point each time: before it was made, or after.
    await new Promise((resolve) => setTimeout(resolve, round * 3))
    process.kill(control, 'SIGKILL')
    await lost
    const again = await toggle(c, key)
    expect(again.status).toBe(200)
    await until(async () => !(await pids(b, 'control')).includes(control))
    await fleet.settled()
    await expectEqual(fleet)
    expect((await switchesSince(a, before)).map(({ revision }) => revision)).toEqual([again.body.revision])
    expect((await shop(b)).split).toEqual({ blue: split.green, green: split.blue })
  }
})

test('a change made before the control process died is answered by its key, although its answer was lost', async () => {
  const key = randomUUID()
  const before = await revisionOf(a)
  // It waits, so that the change is made long before there is an answer.
  await a.api('POST', '/api/servers/green2/drain?wait=10s')
  const [controlOfC = 0] = await pids(c, 'control')
  process.kill(controlOfC, 'SIGSTOP')
  const lost = toggle(b, key, {}, '?wait=10s').catch(() => null)
  await until(async () => (await switchesSince(a, before)).length === 1)
  await killControl(b)
  process.kill(controlOfC, 'SIGCONT')
  await lost
  const again = await toggle(a, key, {}, '?wait=10s')
  expect(again.status).toBe(200)
  await fleet.settled()
  expect((await switchesSince(b, before)).map(({ revision }) => revision)).toEqual([again.body.revision])
  expect((await shop(a)).split).toEqual({ blue: 0, green: 100 })
  for (const each of fleet.all) expect(await reached(each)).not.toContain(BLUE[0])
})
