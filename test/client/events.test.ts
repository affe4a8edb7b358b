import { expect, onTestFinished, test } from 'vitest'
import { ApiError, createClient, type SeenEvent } from '../../src/client/create-client.ts'
import { createCutover } from '../../src/create-cutover.ts'
import { Fleet, killWhole } from '../fleet/support.ts'
import { temporaryDirectory } from '../store/directory.ts'

/** Collects events until one is of this revision. */
async function until(events: AsyncIterable<SeenEvent>, revision: () => number): Promise<SeenEvent[]> {
  const seen: SeenEvent[] = []
  for await (const event of events) {
    seen.push(event)
    if (event.type === 'change' && 'revision' in event && event.revision === revision()) break
  }
  return seen
}

test('events go on at another instance when the one that sends them is killed', async () => {
  const fleet = await Fleet.start()
  onTestFinished(() => fleet.stop())
  const [a, b] = [fleet.get('a'), fleet.get('b')]
  const client = createClient({ urls: [a.admin, b.admin] })
  const { revision: before } = await client.services.list()
  let last = Number.POSITIVE_INFINITY
  const seen = until(client.events({ types: ['change'], lastEventId: '0-0' }), () => last)
  for (let i = 0; i < 5; i++) await client.services.switch('shop')
  await killWhole(a)
  for (let i = 0; i < 4; i++) await client.services.switch('shop')
  last = before + 10
  await client.services.switch('shop')
  const revisions = (await seen).map((event) => ('revision' in event ? event.revision : event.type))
  expect(revisions.slice(-10)).toEqual(Array.from({ length: 10 }, (_, i) => before + 1 + i))
  expect(new Set(revisions).size).toBe(revisions.length)
})

test('a request that is refused ends the events, and a signal does', async () => {
  const store = { path: await temporaryDirectory() }
  const cutover = await createCutover({
    config: { proxy: { listen: '127.0.0.1:0' }, admin: { listen: '127.0.0.1:0' }, store },
  })
  onTestFinished(() => cutover.close())
  const client = createClient({ url: cutover.admin })
  await expect(client.events({ types: ['helth'] }).next()).rejects.toBeInstanceOf(ApiError)
  const leaving = new AbortController()
  const events = client.events({ signal: leaving.signal, lastEventId: '0-0' })
  expect((await events.next()).value).toMatchObject({ type: 'instance.joined' })
  leaving.abort()
  expect(await events.next()).toEqual({ done: true, value: undefined })
})

test('events of a Cutover in the same process come without the network', async () => {
  const store = { path: await temporaryDirectory() }
  const cutover = await createCutover({
    config: { proxy: { listen: '127.0.0.1:0' }, admin: { listen: '127.0.0.1:0' }, store },
  })
  onTestFinished(() => cutover.close())
  const events = cutover.events({ lastEventId: '0-0' })
  expect((await events.next()).value).toMatchObject({ type: 'instance.joined' })
  await events.return()
})
