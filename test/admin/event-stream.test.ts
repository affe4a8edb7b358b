import { once } from 'node:events'
import { setImmediate as turn } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { EventStream, type EventStreamOptions } from '../../src/admin/events/event-stream.ts'
import { EventListeners, type EventLog } from '../../src/store/event-log.ts'
import { KEEP_EVENTS } from '../../src/store/kept-events.ts'
import { MemoryLog } from '../support/memory-log.ts'

function streamOf(log: EventLog, options: Partial<EventStreamOptions> = {}): EventStream {
  const stream = new EventStream({ log, after: null, fits: () => true, onCut: () => undefined, ...options })
  stream.setEncoding('utf8')
  onTestFinished(() => void stream.destroy())
  return stream
}

/** Reads a stream from now on; returns a function that resolves with what has come since the last call. */
function readingOf(stream: EventStream): () => Promise<string> {
  let text = ''
  stream.on('data', (piece: string) => {
    text += piece
  })
  return async () => {
    for (let quiet = 0, before = -1; quiet < 5; quiet = text.length === before ? quiet + 1 : 0) {
      before = text.length
      await turn()
    }
    const taken = text
    text = ''
    return taken
  }
}

const idsIn = (text: string) => [...text.matchAll(/^id: (\S+)$/gm)].map(([, id]) => id)

test('a reader that does not read holds a bounded amount, and gets everything once it does', async () => {
  const log = new MemoryLog()
  const stream = streamOf(log, { after: '0-0' })
  stream.once('readable', () => undefined)
  for (let i = 0; i < 50; i++) {
    log.add(100)
    await turn()
  }
  expect(stream.readableLength).toBeLessThan(80 * 1024)
  const text = await readingOf(stream)()
  expect(idsIn(text)).toEqual(Array.from({ length: 5_000 }, (_, i) => `${i + 1}-0`))
})

test('a reader that reads nothing for a while is cut, and counted', async () => {
  const log = new MemoryLog()
  let cuts = 0
  const stream = streamOf(log, { after: '0-0', heartbeatMs: 10, patienceMs: 100, onCut: () => cuts++ })
  stream.once('readable', () => undefined)
  log.add(5_000)
  await once(stream, 'close')
  expect(cuts).toBe(1)
  expect(log.listeners).toEqual(new EventListeners())
})

test('a reader whose place was dropped meanwhile gets a gap, then what is kept', async () => {
  const log = new MemoryLog()
  log.add(10)
  const stream = streamOf(log)
  await turn()
  await turn()
  log.add(2 * KEEP_EVENTS)
  const text = await readingOf(stream)()
  const [, ...messages] = text.split('\n\n').filter((each) => each !== '')
  expect(messages.slice(0, 2)).toEqual([
    'id: 10-0',
    expect.stringMatching(/^event: gap\ndata: \{"type":"gap","after":"10-0","next":"\d+-0"\}$/),
  ])
  expect(idsIn(text).at(-1)).toBe(`${10 + 2 * KEEP_EVENTS}-0`)
})

test('a reader that comes from an instance which knows later events waits for them, and misses nothing', async () => {
  const log = new MemoryLog()
  log.add(5)
  const taken = readingOf(streamOf(log, { after: '7-0' }))
  expect(await taken()).toBe('retry: 2000\n\n')
  log.add(1)
  expect(await taken()).toBe('')
  log.add(3)
  const text = await taken()
  expect(idsIn(text)).toEqual(['8-0', '9-0'])
  expect(text).not.toContain('gap')
})

test('a reader whose event the store has lost gets a gap', async () => {
  const log = new MemoryLog()
  log.add(5)
  const stream = streamOf(log, { after: '7-0' })
  for await (const text of stream) {
    if (!text.includes('gap')) continue
    expect(text).toBe('event: gap\ndata: {"type":"gap","after":"7-0","next":"5-0"}\n\n')
    break
  }
})

test('an event without an id is sent at once, and its id later, without the event', async () => {
  const log = new MemoryLog()
  const stream = streamOf(log)
  const taken = readingOf(stream)
  await taken()
  log.listeners.tell({ ref: 'r1', event: log.event('early') })
  expect(await taken()).toMatch(/^event: health\ndata: \{"id":null,.*"reason":"early".*\}\n\n$/)
  log.add(1, 'r1')
  log.add(1, 'r2')
  expect(await taken()).toMatch(/^id: 1-0\n\nid: 2-0\nevent: health\ndata: .*\n\n$/)
})

test('a reader of few types gets the ids that it can go on from with the heartbeats', async () => {
  const log = new MemoryLog()
  const stream = streamOf(log, { heartbeatMs: 20, fits: () => false })
  const taken = readingOf(stream)
  await taken()
  log.add(3)
  const told: string[] = []
  await expect
    .poll(async () => {
      told.push(...(await taken()).split('\n\n').filter((each) => each !== ''))
      return told.slice(told.indexOf('id: 3-0')).slice(0, 3)
    })
    .toEqual(['id: 3-0', ':', ':'])
})
