import { Compile } from 'typebox/schema'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { killControl } from '../fleet/support.ts'
import { Cutover } from '../support/cutover.ts'
import { EventReader } from '../support/event-reader.ts'

const SHOP = {
  health: 'off',
  split: { blue: 100 },
  pools: { blue: { servers: { b1: 'http://127.0.0.1:9' } }, green: { servers: { g1: 'http://127.0.0.1:9' } } },
}

let cutover: Cutover
beforeAll(async () => {
  cutover = await Cutover.start({
    services: { shop: SHOP, other: { ...SHOP, hosts: ['other.example'] } },
    admin: { listen: '127.0.0.1:0', connections: 16 },
  })
})
afterAll(async () => {
  await cutover.stop()
})

async function reader(lastId = '', query = '', at = cutover): Promise<EventReader> {
  const opened = await EventReader.open(at.admin, lastId, query)
  onTestFinished(() => opened.close())
  return opened
}

/** Switches a service to the pool that has no share; returns the revision. */
async function flip(service = 'shop', at = cutover): Promise<number> {
  const { status, body } = await at.api('POST', `/api/services/${service}/switch`, { force: true })
  expect(status).toBe(200)
  return body.revision
}

const ofRevision = (revision: number) => (event: { type: string; data: { revision: number } }) =>
  event.type === 'change' && event.data.revision === revision

describe('a reader', () => {
  test('sees a change at once, with who, why, before and after', async () => {
    const events = await reader()
    await events.position()
    const { body } = await cutover.api('POST', '/api/services/shop/shift', {
      to: 'green',
      percent: 5,
      reason: 'try it',
      force: true,
    })
    const { id, data } = await events.event(ofRevision(body.revision))
    expect(data).toMatchObject({
      id,
      type: 'change',
      by: 'local',
      reason: 'try it',
      service: 'shop',
      action: 'shift',
      forced: true,
    })
    expect(data.after).toMatchObject({ green: 5 })
    expect(Date.parse(data.at)).toBeGreaterThan(Date.now() - 10_000)
    expect(events.response.headers).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store, no-transform',
      'x-accel-buffering': 'no',
    })
    await cutover.api('POST', '/api/services/shop/switch', { to: 'blue', force: true })
  })

  test('that comes back gets what it has missed, once and in order', async () => {
    const first = await reader()
    await first.position()
    const before = first.lastId
    first.close()
    const revisions = []
    for (let i = 0; i < 20; i++) revisions.push(await flip())
    const second = await reader(before, '?types=change')
    await second.event(ofRevision(revisions.at(-1) ?? 0))
    expect(second.events.map(({ data }) => data.revision)).toEqual(revisions)
    const third = await reader('', `?types=change&lastEventId=${before}`)
    await third.event(ofRevision(revisions.at(-1) ?? 0))
    expect(third.events).toEqual(second.events)
  })

  test('narrows them to a service and to types, by patterns, too', async () => {
    const [ofShop, drains] = await Promise.all([reader('', '?service=shop'), reader('', '?types=drain.*,worker.died')])
    await Promise.all([ofShop.position(), drains.position()])
    await flip('other')
    const last = await flip('shop')
    await ofShop.event(ofRevision(last))
    await drains.event(({ type, data }) => type === 'drain.finished' && data.service === 'shop')
    expect(new Set(ofShop.events.map(({ data }) => data.service))).toEqual(new Set(['shop']))
    expect(new Set(drains.events.map(({ type }) => type))).toEqual(new Set(['drain.started', 'drain.finished']))
  })

  test('with an id that is not in the log gets a gap first', async () => {
    const events = await reader('1000-7')
    const [first] = [await events.event(({ type }) => type === 'gap')]
    expect(first).toMatchObject({ id: '', data: { type: 'gap', after: '1000-7' } })
    expect(events.events[0]?.type).toBe('gap')
    const revision = await flip()
    await events.event(ofRevision(revision))
  })

  test.each([
    ['?types=helth', {}, 400, /Did you mean "health"\?.*Known: change, health/],
    ['?types=drain.*,nothing.*', {}, 400, /no type of event "nothing\.\*"/],
    ['?service=shpo', {}, 404, /no service "shpo"\. Known: shop/],
    ['?lastEventId=42', {}, 400, /Last-Event-ID must be the id of an event/],
    ['', { 'last-event-id': 'abc' }, 400, /Last-Event-ID must be the id of an event/],
    ['?tpyes=change', {}, 422, /types/],
  ])('%s %j is refused with %i', async (query, headers, status, detail) => {
    const answer = await cutover.api('GET', `/api/events${query}`, undefined, headers)
    expect(answer.status).toBe(status)
    expect(answer.body.detail).toMatch(detail)
  })

  test('may ask for types of rollouts', async () => {
    const events = await reader('', '?types=rollout.*,rollout.started')
    await events.position()
  })

  test('is one of at most half of admin.connections', async () => {
    const open = []
    for (let i = 0; i < 8; i++) open.push(await reader())
    const answer = await cutover.api('GET', '/api/events')
    expect(answer.status).toBe(503)
    expect(answer.body.detail).toContain('half of admin.connections')
    open[0]?.close()
    await expect
      .poll(
        () =>
          reader().then(
            () => true,
            () => false,
          ),
        { timeout: 5_000 },
      )
      .toBe(true)
    for (const each of open) each.close()
  })
})

test('events are as the OpenAPI document describes them', async () => {
  const events = await reader('0-0')
  const revision = await flip()
  await events.event(ofRevision(revision))
  const { body: document } = await cutover.api('GET', '/api/openapi.json')
  const { LoggedEvent: schema } = document.components.schemas
  const whole = Compile({ ...schema, additionalProperties: false })
  expect(events.events.length).toBeGreaterThan(1)
  for (const { data } of events.events) expect([data, whole.Errors(data)]).toEqual([data, [true, []]])
})

test('each drain has one start and one end, also when it is undone before it is over', async () => {
  const events = await reader()
  await events.position()
  for (let i = 0; i < 40; i++) await flip()
  const last = await flip()
  await events.event(ofRevision(last))
  await expect
    .poll(() => {
      const drains = events.events.filter(({ type }) => type.startsWith('drain.'))
      return drains.filter(({ type }) => type === 'drain.started').length === drains.length / 2
    })
    .toBe(true)
  for (const pool of ['blue', 'green']) {
    const drains = events.events.filter(({ type, data }) => type.startsWith('drain.') && data.pool === pool)
    expect(drains.map(({ type }) => type)).toEqual(
      drains.map((_, i) => (i % 2 === 0 ? 'drain.started' : 'drain.finished')),
    )
    expect(drains.length).toBeGreaterThan(0)
  }
})

test('kill -9 of the control process: readers come back without a gap, and an open drain ends', async () => {
  const own = await Cutover.start({ services: { shop: SHOP }, proxy: { workers: 1, accessLog: 'off' } })
  onTestFinished(async () => {
    await own.stop()
  })
  const first = await reader('', '', own)
  await first.position()
  const revision = await flip('shop', own)
  await first.event(({ type }) => type === 'drain.started')
  await killControl(own)
  await first.closed
  const second = await reader(first.lastId, '', own)
  const next = await flip('shop', own)
  await second.event(ofRevision(next))
  await second.event(({ type, data }) => type === 'drain.finished' && data.revision === next)
  const all = [...first.events, ...second.events]
  expect(all.filter(({ type }) => type === 'gap')).toEqual([])
  expect(all.filter(({ type }) => type === 'change').map(({ data }) => data.revision)).toEqual([revision, next])
  const drains = all.filter(({ type }) => type.startsWith('drain.')).map(({ type, data }) => `${type} ${data.pool}`)
  expect(drains.toSorted()).toEqual([
    'drain.finished blue',
    'drain.finished green',
    'drain.started blue',
    'drain.started green',
  ])
  expect(all.filter(({ type }) => type.startsWith('instance.'))).toEqual([])
})

test('an instance that stops ends its streams in good order, and its restart knows that it was gone', async () => {
  const own = await Cutover.start({ services: { shop: SHOP } })
  const events = await reader('0-0', '', own)
  await events.event(({ type }) => type === 'instance.joined')
  expect(events.events.map(({ type }) => type).filter((type) => type === 'gap')).toEqual([])
  await own.stop()
  await events.closed
  expect(events.response.complete).toBe(true)
})

test('kill -9 of a whole instance: the next one on its files says that it is gone, and joins', async () => {
  const first = await Cutover.start({ services: { shop: SHOP } })
  const events = await reader('0-0', '', first)
  await events.event(({ type }) => type === 'instance.joined')
  first.process.kill('SIGKILL')
  await first.exited
  const second = await Cutover.start({ services: { shop: SHOP }, dataPath: first.dataPath })
  onTestFinished(async () => {
    await second.stop()
    await first.stop()
  })
  const after = await reader(events.lastId, '', second)
  await after.event(({ type }) => type === 'instance.joined')
  await after.event(({ type }) => type === 'instance.gone')
  expect(after.events.map(({ type }) => type).toSorted()).toEqual(['instance.gone', 'instance.joined'])
})
