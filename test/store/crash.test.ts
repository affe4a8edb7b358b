import { once } from 'node:events'
import { appendFile, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { checksum } from '../../src/store/files.ts'
import { changeFor, changesTo, documentsAt } from './changes.ts'
import { attempt, copyOf, directoryWith, kill, openStore, startCommitter, temporaryDirectory } from './directory.ts'

/** A generator of whole numbers in [from, to], the same ones in every run. */
function seeded(seed: number): (from: number, to: number) => number {
  let state = seed
  return (from, to) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return from + Math.floor((state / 2 ** 32) * (to - from + 1))
  }
}

test('S1 kill -9 among 1,000 writes: every acknowledged revision is there, and at most one more', async () => {
  const path = join(await temporaryDirectory(), 'data')
  const random = seeded(1)
  let acknowledged = 0
  for (let kills = 0; kills < 30; kills++) {
    const { child, lines } = startCommitter(path, random(1, 6))
    const enough = acknowledged + random(20, 60)
    const microseconds = random(0, 4_000)
    lines.on('line', (line) => {
      if (line.startsWith('open')) return
      expect(Number(line)).toBe(acknowledged + 1)
      acknowledged += 1
      if (acknowledged !== enough) return
      // Somewhere in the next commits or compactions, not always just after an acknowledgement.
      const moment = performance.now() + microseconds / 1_000
      while (performance.now() < moment) {}
      child.kill('SIGKILL')
    })
    await Promise.all([once(child, 'close'), once(lines, 'close')])
    const { store } = await openStore(path)
    const { revision } = store.documents()
    expect(revision - acknowledged, `after kill ${kills}`).toBeOneOf([0, 1])
    expect(store.documents()).toEqual(documentsAt(revision))
    await store.close()
    acknowledged = revision
  }
  expect(acknowledged).toBeGreaterThan(1_000)
})

test('a last line cut off at any byte is dropped, and the next commit takes its place', async () => {
  const path = await directoryWith(changesTo(3))
  const log = join(path, 'changes.log')
  const whole = await readFile(log)
  const last = whole.lastIndexOf('\n', whole.length - 2) + 1
  for (let length = last; length < whole.length; length++) {
    await truncate(log, length)
    const { store, warnings } = await openStore(path)
    expect(store.documents(), `cut at ${length}`).toEqual(documentsAt(2))
    expect(warnings).toEqual(length === last ? [] : [expect.stringContaining(`${log}: dropped ${length - last} bytes`)])
    expect((await stat(log)).size).toBe(last)
    expect(await store.commit(changeFor(3))).toBe('committed')
    await store.close()
    expect(await readFile(log)).toEqual(whole)
  }
})

test('zeros that a power cut left in place of the last line are dropped like a torn line', async () => {
  const path = await directoryWith(changesTo(3))
  await appendFile(join(path, 'changes.log'), Buffer.alloc(4_096))
  expect(await attempt(path)).toMatchObject({ revision: 3, warnings: [expect.stringContaining('dropped 4096 bytes')] })
})

test('a log with any byte changed is refused, with file, line and remedy', async () => {
  const path = await directoryWith(changesTo(2))
  const log = join(path, 'changes.log')
  const whole = await readFile(log)
  for (let at = 0; at < whole.length; at++) {
    const line = whole.subarray(0, at).toString('latin1').split('\n').length
    for (const bits of [0x01, 0x0a ^ (whole[at] ?? 0)]) {
      if (bits === 0) continue
      const flipped = Buffer.from(whole)
      flipped[at] = (flipped[at] ?? 0) ^ bits
      await writeFile(log, flipped)
      const message = await attempt(path)
      expect(message, `byte ${at} ^ ${bits}`).toContain(`${log}, line ${line}: `)
      expect(message).toContain('from a backup')
      expect(message).toContain(`mv ${log} ${log}.damaged`)
      expect(await readFile(log)).toEqual(flipped)
    }
  }
  await rm(log)
  expect(await attempt(path), 'the advice works').toEqual({ revision: 0, warnings: [] })
})

test('a snapshot with any byte changed is refused, with file and remedy', async () => {
  const path = await directoryWith(changesTo(3), 3)
  const state = join(path, 'state.json')
  const whole = await readFile(state)
  for (let at = 0; at < whole.length; at++) {
    const flipped = Buffer.from(whole)
    flipped[at] = (flipped[at] ?? 0) ^ 0x01
    await writeFile(state, flipped)
    const message = await attempt(path)
    expect(message, `byte ${at}`).toContain(`${state}: `)
    expect(message).toContain(`mv ${state} ${state}.damaged`)
  }
})

const nonsense = '{"documents":{"revision":1},"history":[]}'

test.each([
  ['an empty snapshot', 'state.json', () => '', 'the file is empty'],
  ['half a snapshot', 'state.json', (text: string) => text.slice(0, text.length / 2), 'not a JSON object'],
  ['a list', 'state.json', () => '[]', 'not a JSON object'],
  ['an unknown format', 'state.json', (text: string) => text.replace('t":1', 't":"x"'), 'the format is "x"'],
  ['a newer format', 'state.json', (text: string) => text.replace('t":1', 't":3'), 'a newer Cutover (format 3;'],
  ['an edited snapshot', 'state.json', (text: string) => text.replaceAll('blue', 'grey'), 'the checksum is wrong'],
  [
    'a snapshot of something else',
    'state.json',
    () => `{"format":1,"checksum":"${checksum(nonsense)}",${nonsense.slice(1)}`,
    'not the documents of a store',
  ],
  ['a missing line', 'changes.log', (text: string) => text.replace(/\n.*\n/, '\n'), 'line 2: revision 5 follows 3'],
  [
    'a missing first line',
    'changes.log',
    (text: string) => text.replace(/.*\n/, ''),
    'line 1: the log begins at revision 4, but state.json ends at 2',
  ],
  ['a line of something else', 'changes.log', () => `${checksum('{}')} {}\n`, 'line 1: this is not a change'],
])('%s is refused', async (_, name, damage, problem) => {
  const path = await directoryWith(changesTo(2), 2)
  const { store } = await openStore(path)
  for (const revision of [3, 4, 5]) await store.commit(changeFor(revision))
  await store.close()
  const file = join(path, name)
  await writeFile(file, damage(await readFile(file, 'utf8')))
  const message = await attempt(path)
  expect(message).toContain(file)
  expect(message).toContain(problem)
})

test('a log without its snapshot is refused unless it begins at revision 1', async () => {
  const early = await directoryWith(changesTo(3))
  await rm(join(early, 'state.json'))
  expect(await attempt(early)).toEqual({ revision: 3, warnings: [] })
  const late = await directoryWith(changesTo(3), 2)
  await rm(join(late, 'state.json'))
  expect(await attempt(late)).toContain('the log begins at revision 3, but there is no state.json')
})

test('a compaction interrupted at any step leaves the state as it was', async () => {
  const before = await directoryWith(changesTo(6))
  const after = await directoryWith(changesTo(6), 6)
  const snapshot = await readFile(join(after, 'state.json'))
  const steps: Record<string, (path: string) => Promise<void>> = {
    'the new snapshot half written': (path) => writeFile(join(path, 'state.json.tmp'), snapshot.subarray(0, 100)),
    'the new snapshot not yet in place': (path) => writeFile(join(path, 'state.json.tmp'), snapshot),
    'the old log beside the new snapshot': (path) => writeFile(join(path, 'state.json'), snapshot),
    'the same, and its last line torn': async (path) => {
      await writeFile(join(path, 'state.json'), snapshot)
      await appendFile(join(path, 'changes.log'), '12345678 {"revi')
    },
  }
  for (const [step, interrupt] of Object.entries(steps)) {
    const path = await copyOf(before)
    await interrupt(path)
    const { store } = await openStore(path, 3)
    expect(store.documents(), step).toEqual(documentsAt(6))
    for (let revision = 7; revision <= 10; revision++) await store.commit(changeFor(revision))
    await store.close()
    const { store: next } = await openStore(path)
    expect(next.documents(), step).toEqual(documentsAt(10))
    expect(await next.history({ service: 'shop', limit: 9 }), step).toHaveLength(1)
    await next.close()
  }
})

test('a snapshot newer than the whole log, as from a backup, wins and can be written on', async () => {
  const path = await directoryWith(changesTo(3))
  const newer = await directoryWith(changesTo(6), 6)
  await writeFile(join(path, 'state.json'), await readFile(join(newer, 'state.json')))
  const { store } = await openStore(path)
  expect(await store.commit(changeFor(7))).toBe('committed')
  await store.close()
  expect(await attempt(path)).toEqual({ revision: 7, warnings: [] })
})

test('a committer killed while it starts leaves a directory that opens', async () => {
  const path = join(await temporaryDirectory(), 'data')
  const { child, lines } = startCommitter(path)
  await once(lines, 'line')
  await kill(child)
  expect(await attempt(path)).toMatchObject({ warnings: [] })
})
