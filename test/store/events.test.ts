import { describe, expect, test } from 'vitest'
import { BOTH_STORES, nextChange } from './both-stores.ts'
import { draft, drafts, historyEntry, kept, logged, reasons } from './event-drafts.ts'

describe.each(BOTH_STORES)('%s', (_name, place) => {
  test('logs the events of a change with it, its history first', async () => {
    const store = await (await place()).open()
    const history = [historyEntry(1, 'first'), historyEntry(1, 'second')]
    await store.commit(nextChange(store, { history, events: [draft('third')] }))
    await logged(store, () => kept(store).length === 3)
    const [first] = kept(store)
    expect(reasons(kept(store))).toEqual(['first', 'second', 'third'])
    expect(first?.event).toMatchObject({
      ...{ type: 'change', by: 'tester', service: 'shop', revision: 1, action: 'switch', forced: false },
      ...{ before: { blue: 100 }, after: { green: 100 }, instance: null },
    })
    expect(first?.id).toMatch(/^\d{13}-\d+$/)
  })

  test('logs no event of a change that was not made', async () => {
    const store = await (await place()).open()
    const change = nextChange(store, { history: [historyEntry(1, 'made')] })
    const outcomes = await Promise.all([
      store.commit(change),
      store.commit({ ...change, at: new Date(9).toISOString() }),
    ])
    expect(outcomes.sort()).toEqual(['committed', 'stale'])
    store.events.append([draft('last')])
    await logged(store, () => reasons(kept(store)).includes('last'))
    expect(reasons(kept(store))).toEqual(['made', 'last'])
  })

  test('keeps events in the order in which they are added, and their ids over a restart', async () => {
    const there = await place()
    const store = await there.open()
    store.events.append(drafts(300))
    store.events.append([draft('one more')])
    await logged(store, () => kept(store).length === 301)
    const before = kept(store)
    expect(reasons(before)).toEqual([...Array.from({ length: 300 }, (_, i) => String(i)), 'one more'])
    await store.close()
    const again = await there.open()
    expect(kept(again).map(({ id }) => id)).toEqual(before.map(({ id }) => id))
    again.events.append([draft('after it')])
    await logged(again, () => kept(again).length === 302)
    expect(kept(again).at(-1)?.previous).toBe(before.at(-1)?.id)
  })

  test('logs what begins once until it ends, and no end without a beginning, over restarts, too', async () => {
    const there = await place()
    const store = await there.open()
    const opens = { subject: 'drain shop/blue', keys: ['k'] }
    store.events.append([draft('end before it', { closes: opens.subject }), draft('begins', { opens })])
    store.events.append([draft('again', { opens })])
    await logged(store, () => kept(store).length === 1)
    await store.close()
    const next = await there.open()
    expect(next.events.kept.open.get(opens.subject)).toMatchObject({ keys: ['k'], event: { reason: 'begins' } })
    next.events.append([draft('again', { opens }), draft('ends', { closes: opens.subject })])
    next.events.append([draft('ends again', { closes: opens.subject }), draft('anew', { opens })])
    await logged(next, () => kept(next).length === 3)
    expect(reasons(kept(next))).toEqual(['begins', 'ends', 'anew'])
  })

  test('hides secrets in the details of a change', async () => {
    const store = await (await place()).open()
    const to = {
      health: { headers: { 'x-probe': 's3cret' } },
      headers: { request: { set: { authorization: 's3cret' } } },
    }
    await store.commit(nextChange(store, { history: [{ ...historyEntry(1, 'put'), to }] }))
    await logged(store, () => kept(store).length === 1)
    expect(JSON.stringify(kept(store))).not.toContain('s3cret')
  })

  test('leaves out details that are too long', async () => {
    const store = await (await place()).open()
    const to = { body: 'x'.repeat(5_000) }
    await store.commit(nextChange(store, { history: [{ ...historyEntry(1, 'put'), to }] }))
    await logged(store, () => kept(store).length === 1)
    expect(kept(store)[0]?.event).toMatchObject({ before: '(omitted)', after: '(omitted)' })
  })

  test('keeps the position of a shared reader', async () => {
    const there = await place()
    const store = await there.open()
    expect(await store.events.cursor('hook')).toBeNull()
    expect(await store.events.moveCursor('hook', '5-1', 1)).toBe(true)
    await store.close()
    const again = await there.open()
    expect(await again.events.cursor('hook')).toBe('5-1')
  })
})
