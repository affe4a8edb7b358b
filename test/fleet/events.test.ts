import { afterEach, expect, onTestFinished, test } from 'vitest'
import type { Cutover } from '../support/cutover.ts'
import { EventReader, type SeenEvent } from '../support/event-reader.ts'
import { until } from '../support/until.ts'
import { Fleet, hold, INSTANCES, type InstanceName, killControl, killWhole } from './support.ts'

let fleet: Fleet
afterEach(() => fleet.stop())

async function reader(at: Cutover, lastId = '', query = ''): Promise<EventReader> {
  const opened = await EventReader.open(at.admin, lastId, query)
  onTestFinished(() => opened.close())
  return opened
}

async function readers(lastId = ''): Promise<EventReader[]> {
  const all = await Promise.all(fleet.all.map((each) => reader(each, lastId)))
  await Promise.all(all.map((each) => each.position()))
  return all
}

/** Switches from one pool to the other and back at an instance; returns the last revision. */
async function flip(at: InstanceName, times = 1): Promise<number> {
  let revision = 0
  for (let i = 0; i < times; i++) {
    revision = await until(async () => {
      const { status, body } = await fleet.get(at).api('POST', '/api/services/shop/switch', {})
      // 409: another instance was first.
      expect([200, 409], body.detail).toContain(status)
      return status === 200 ? body.revision : null
    })
  }
  return revision
}

const ofRevision = (revision: number) => (event: SeenEvent) =>
  event.type === 'change' && event.data.revision === revision
const of = (type: string, events: readonly SeenEvent[]) => events.filter((event) => event.type === type)
const ids = (events: readonly SeenEvent[]) => events.map(({ id }) => id)

test('events have the same ids at every instance, and each fact of the fleet is one event', async () => {
  fleet = await Fleet.start()
  const all = await readers()
  await Promise.all(INSTANCES.map((name) => flip(name, 5)))
  const last = await flip('a')
  // A drain that begins anew before its end is in the log goes on as the same.
  const drains = (events: readonly SeenEvent[]) => [of('drain.started', events), of('drain.finished', events)] as const
  const [reader] = all
  await until(() => {
    const [started, finished] = drains(reader?.events ?? [])
    return reader?.events.some(ofRevision(last)) && started.length === finished.length
  })
  const end = reader?.lastId ?? ''
  await Promise.all(all.map((each) => each.reached(end)))
  const upToEnd = ({ events }: EventReader) => events.slice(0, events.findIndex(({ id }) => id === end) + 1)
  const [a, b, c] = all.map(upToEnd)
  expect(ids(b ?? [])).toEqual(ids(a ?? []))
  expect(ids(c ?? [])).toEqual(ids(a ?? []))
  expect(of('change', a ?? []).length).toBe(16)
  expect(drains(a ?? []).map(({ length }) => length > 0)).toEqual([true, true])
})

test('a reader that goes from instance to instance misses nothing and sees nothing twice', async () => {
  fleet = await Fleet.start()
  const revisions: number[] = []
  let isOver = false
  const changing = (async () => {
    while (!isOver) revisions.push(await flip('a'))
  })()
  const seen: SeenEvent[] = []
  let lastId = ''
  for (let turn = 0; turn < 12; turn++) {
    const at = await reader(fleet.get(INSTANCES[turn % 3] ?? 'a'), lastId)
    if (turn === 0) await at.position()
    const size = at.events.length
    await until(() => at.events.length > size + 5)
    at.close()
    await at.closed
    seen.push(...at.events)
    lastId = at.lastId
  }
  isOver = true
  await changing
  expect(of('gap', seen)).toEqual([])
  expect(new Set(ids(seen)).size).toBe(seen.length)
  const changes = of('change', seen).map(({ data }) => data.revision)
  expect(changes.length).toBeGreaterThan(12)
  const from = revisions.indexOf(changes[0])
  expect(changes).toEqual(revisions.slice(from, from + changes.length))
})

test('a drain whose instance has died is finished by another one, once', async () => {
  fleet = await Fleet.start()
  const b = await reader(fleet.get('b'))
  await b.position()
  const held = await hold(fleet, fleet.get('b'), 'blue1', 1)
  const drained = await fleet.get('a').api('POST', '/api/servers/blue1/drain', { reason: 'a new disk' })
  expect(drained.status).toBe(200)
  await b.event(({ type }) => type === 'drain.started')
  await killWhole(fleet.get('a'))
  await b.event(({ type, data }) => type === 'instance.gone' && data.instance === 'a')
  expect(of('drain.finished', b.events)).toEqual([])
  fleet.app.release()
  await Promise.all(held)
  const { data } = await b.event(({ type }) => type === 'drain.finished')
  expect(data).toMatchObject({ server: 'blue1', pool: 'blue', reason: 'a new disk', after: { outcome: 'drained' } })
  await flip('c')
  await b.event(({ type, data }) => type === 'drain.finished' && data.server === null)
  expect(of('drain.finished', b.events).filter(({ data: { server } }) => server === 'blue1').length).toBe(1)
})

test('instances join and go once each: killed, signed off, and with a control process that was killed, not at all', async () => {
  fleet = await Fleet.start()
  const a = await reader(fleet.get('a'))
  await a.position()
  await killControl(fleet.get('b'))
  await killWhole(fleet.get('c'))
  await a.event(({ type, data }) => type === 'instance.gone' && data.instance === 'c')
  await fleet.add('c')
  await a.event(({ type, data }) => type === 'instance.joined' && data.instance === 'c')
  await fleet.get('c').stop()
  await until(() => of('instance.gone', a.events).length === 2)
  await flip('b')
  await a.event(({ type }) => type === 'drain.finished')
  const about = a.events
    .filter(({ type }) => type.startsWith('instance.'))
    .map(({ type, data }) => `${type} ${data.instance}`)
  expect(about).toEqual(['instance.gone c', 'instance.joined c', 'instance.gone c'])
  expect(of('instance.gone', a.events).map(({ data }) => data.reason)).toEqual([
    'it has been silent for too long',
    'it has signed off',
  ])
})

test('while Redis is away readers see what their instance knows, and get the ids of it later', async () => {
  fleet = await Fleet.start({}, { persist: true })
  const all = await readers()
  await fleet.redis.kill()
  await Promise.all(all.map((each) => each.event(({ type }) => type === 'store.away')))
  for (const each of all)
    expect(of('store.away', each.events).map(({ id, data }) => [id, data.id])).toEqual([['', null]])
  await fleet.redis.restart()
  // Each sees its own at once, and those of the others with their ids.
  await Promise.all(all.map((each) => until(() => of('store.back', each.events).length === 3)))
  const last = await flip('a')
  await Promise.all(all.map((each) => each.event(ofRevision(last))))
  for (const each of all) {
    expect(
      of('store.away', each.events)
        .map(({ data }) => data.instance)
        .toSorted(),
    ).toEqual(['a', 'b', 'c'])
    expect(
      of('store.back', each.events)
        .map(({ data }) => data.instance)
        .toSorted(),
    ).toEqual(['a', 'b', 'c'])
    expect(of('gap', each.events)).toEqual([])
  }
  const late = await reader(fleet.get('b'), '0-0')
  await late.event(ofRevision(last))
  const about = late.events
    .filter(({ type }) => type.startsWith('store.'))
    .map(({ type, data }) => `${type} ${data.instance}`)
  expect(about.toSorted()).toEqual([
    'store.away a',
    'store.away b',
    'store.away c',
    'store.back a',
    'store.back b',
    'store.back c',
  ])
})

test('each instance says what it finds of the health of a server', async () => {
  fleet = await Fleet.start()
  const a = await reader(fleet.get('a'))
  await a.position()
  await fleet.app.servers.green1?.close()
  await until(() => of('health', a.events).length === 3)
  const found = of('health', a.events).map(
    ({ data }) => `${data.instance} ${data.pool}/${data.server} ${data.before} ${data.after}`,
  )
  expect(found.toSorted()).toEqual(INSTANCES.map((name) => `${name} green/green1 up down`))
})
