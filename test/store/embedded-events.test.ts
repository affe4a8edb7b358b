import { once } from 'node:events'
import { appendFile, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { EmbeddedEvents } from '../../src/store/embedded/embedded-events.ts'
import { KEEP_EVENTS } from '../../src/store/kept-events.ts'
import { openStore, startCommitter, temporaryDirectory } from './directory.ts'
import { draft, drafts, kept, logged, reasons } from './event-drafts.ts'

test('kill -9 among writes: each change that was committed has its event, once and in order', async () => {
  const path = join(await temporaryDirectory(), 'data')
  for (let kills = 0; kills < 10; kills++) {
    const { child, lines } = startCommitter(path, 5)
    let seen = 0
    lines.on('line', () => {
      if (++seen === 30 + 7 * kills) child.kill('SIGKILL')
    })
    await Promise.all([once(child, 'close'), once(lines, 'close')])
  }
  const { store } = await openStore(path)
  const revisions = kept(store).map(({ event }) => event.revision)
  const { revision } = store.documents()
  await store.close()
  expect(revisions).toEqual(Array.from({ length: revision }, (_, i) => i + 1))
})

test('a line that is unfinished or damaged ends the log, which goes on from there', async () => {
  const path = await temporaryDirectory()
  const first = await openStore(path)
  first.store.events.append([draft('one')])
  await logged(first.store, () => kept(first.store).length === 1)
  await first.store.close()
  await appendFile(join(path, 'events.log'), '0123abcd [{"id":"9')
  const second = await openStore(path)
  expect(reasons(kept(second.store))).toEqual(['one'])
  second.store.events.append([draft('two')])
  await logged(second.store, () => kept(second.store).length === 2)
  await second.store.close()
  const third = await openStore(path)
  expect(reasons(kept(third.store))).toEqual(['one', 'two'])
  await third.store.close()
})

test('a file that was removed, or written over, is written again', async () => {
  const path = await temporaryDirectory()
  const file = join(path, 'events.log')
  const { store } = await openStore(path, 1_000, 50)
  store.events.append([draft('one')])
  await logged(store, () => kept(store).length === 1)
  const whole = await readFile(file, 'utf8')
  for (const harm of [() => rm(file), () => writeFile(file, 'nonsense')]) {
    await harm()
    await expect.poll(() => readFile(file, 'utf8').catch(() => ''), { timeout: 5_000 }).toBe(whole)
  }
  await store.close()
})

test('a disk that takes nothing costs only the file: events go on in memory, and are written later', async () => {
  const path = await temporaryDirectory()
  const file = join(path, 'events.log')
  const told: string[] = []
  const events = new EmbeddedEvents(file, (_level, message) => told.push(message))
  await events.open([], 0)
  await rm(path, { recursive: true })
  events.append([draft('one')])
  await events.check()
  expect(reasons(events.kept.all)).toEqual(['one'])
  expect(told.join()).toContain('events are only kept in memory')
  await (await import('node:fs/promises')).mkdir(path)
  await events.check()
  await events.close()
  const again = new EmbeddedEvents(file, () => undefined)
  await again.open([], 0)
  expect(reasons(again.kept.all)).toEqual(['one'])
  await again.close()
})

test('the file is written anew before it is more than twice as long as what is kept', async () => {
  const path = await temporaryDirectory()
  const file = join(path, 'events.log')
  const events = new EmbeddedEvents(file, () => undefined)
  await events.open([], 0)
  const sizes: number[] = []
  for (let round = 0; round < 25; round++) {
    events.append(drafts(1_000))
    await events.check()
    sizes.push((await stat(file)).size)
  }
  const perEvent = (sizes[0] ?? 0) / 1_000
  expect(Math.max(...sizes)).toBeLessThan(perEvent * (2 * KEEP_EVENTS + 3_000) * 1.2)
  expect(sizes.at(-1)).toBeLessThan(Math.max(...sizes))
  await events.close()
})

test('a clock that is set back makes no id twice', async () => {
  let nowMs = 2_000
  const events = new EmbeddedEvents(
    join(await temporaryDirectory(), 'events.log'),
    () => undefined,
    () => nowMs,
  )
  await events.open([], 0)
  events.append([draft('a'), draft('b')])
  nowMs = 1_000
  events.append([draft('c')])
  await events.check()
  expect(events.kept.all.map(({ id }) => id)).toEqual(['2000-0', '2000-1', '2000-2'])
  await events.close()
})
