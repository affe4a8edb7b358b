import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, expect, onTestFinished, test } from 'vitest'
import { Chance } from '../support/chance.ts'
import { RedisServer } from '../support/redis.ts'
import { Witness } from './redis-progress.ts'
import { endAll, endWithAll, open } from './redis-support.ts'

afterEach(endAll)

/** Witnesses on one Redis, of which each knows the others. */
async function start(count: number, maxChanges: number, redis?: RedisServer) {
  const server = redis ?? endWithAll(await RedisServer.start())
  const all = new Map<string, Witness>()
  for (let i = 0; i < count; i++) {
    const { store } = await open(server.url, { register: { maxChanges } })
    new Witness(`i${i}`, store, all)
  }
  const witnesses = [...all.values()] as [Witness, Witness, Witness, ...Witness[]]
  for (let i = 0; i < 2; i++) for (const each of witnesses) await each.beat(true)
  return { redis: server, witnesses }
}

/** All put a change in force, and say so without telling the others. */
async function change(witnesses: readonly Witness[], applied: number): Promise<void> {
  for (const each of witnesses) each.stand({ applied })
  await report(witnesses)
}

async function report(witnesses: readonly Witness[]): Promise<void> {
  for (const each of witnesses) each.report(false)
  await Promise.all(witnesses.map((each) => each.reported()))
}

/** Beats until what the witness knows of all others is as it is. Returns the number of beats. */
async function catchUp(witness: Witness): Promise<number> {
  const limit = 40
  for (let beats = 1; beats <= limit; beats++) {
    if (witness.isUpToDate(await witness.beat())) return beats
    await sleep(50)
  }
  throw new Error(`${witness.id} is not up to date after ${limit} heartbeats`)
}

test('progress that is not told is read with the next heartbeat', async () => {
  const { witnesses } = await start(3, 30)
  await change(witnesses.slice(1), 1)
  expect(witnesses[0].isUpToDate(await witnesses[0].beat())).toBe(true)
})

test('progress that is told is known without a heartbeat, and does not come again with it', async () => {
  const { redis, witnesses } = await start(3, 30)
  const [first, second] = witnesses
  const heard = new Promise((resolve) => first.store.register.onReport((id) => resolve(id)))
  second.stand({ applied: 1 })
  second.report(true)
  expect(await heard).toBe('i1')
  const monitor = await redis.cli('XRANGE', '{test}:progress:changes', '-', '+')
  expect(monitor.match(/applied":1/g)).toHaveLength(1)
  expect(first.isUpToDate(await first.beat())).toBe(true)
})

test('a change of all instances is read as one summary, with those that differ', async () => {
  const { redis, witnesses } = await start(12, 3)
  await sleep(300)
  for (let round = 1; round <= 3; round++) {
    await change(witnesses.slice(2), round)
    witnesses[1].stand({ applied: round - 1, only: `late ${round}` })
    await witnesses[1].beat()
    const before = Number(await redis.info('total_net_output_bytes'))
    const sightings = await witnesses[0].beat()
    const sent = Number(await redis.info('total_net_output_bytes')) - before
    expect(witnesses[0].isUpToDate(sightings)).toBe(true)
    // With two calls of redis-cli for INFO, of some 5,000 bytes each.
    expect(sent).toBeLessThan(12_000)
    // A summary is made a few times a second.
    await sleep(300)
  }
})

test('where all instances differ, each heartbeat reads some, and in the end all are known', async () => {
  const { witnesses } = await start(12, 3)
  for (const each of witnesses) each.stand({ applied: 1, only: each.id })
  await report(witnesses)
  expect(await catchUp(witnesses[0])).toBeLessThanOrEqual(5)
})

test('a complete heartbeat reads all at once', async () => {
  const { witnesses } = await start(12, 3)
  for (const each of witnesses) each.stand({ applied: 1, only: each.id })
  await report(witnesses)
  expect(witnesses[0].isUpToDate(await witnesses[0].beat(true))).toBe(true)
})

test('requests cut are counted once, also after a summary, which leaves them out', async () => {
  const { witnesses } = await start(8, 3)
  const [reader, cutter] = witnesses
  const cuts = async (complete = true) => reader.cutOf(cutter.id, await reader.beat(complete))
  cutter.cutOne()
  await report([cutter])
  expect(await cuts()).toBe(1)
  await sleep(300)
  for (let i = 0; i < 5; i++) cutter.cutOne()
  await change(witnesses.slice(1), 1)
  // When these five were cut is not known to one that has read a summary alone: before a wait of it, for all it knows.
  expect(await cuts(false)).toBe(1)
  cutter.cutOne()
  await report([cutter])
  expect(await cuts()).toBe(2)
  await cutter.restart()
  cutter.cutOne()
  cutter.report(true)
  expect(await cuts()).toBe(3)
})

test('after a restart of Redis nothing is taken for known that an instance has not said since', async () => {
  const { redis, witnesses } = await start(3, 30, endWithAll(await RedisServer.start({ persist: true })))
  const [reader, silent, third] = witnesses
  await redis.shutdown()
  await redis.restart()
  await expect.poll(async () => (await reader.beat()).length, { timeout: 10_000 }).toBe(3)
  await third.beat()
  const progressOf = async (id: string) => (await reader.beat()).find((each) => each.id === id)?.progress
  await expect.poll(() => progressOf(third.id)).toMatchObject({ standing: { applied: 0 } })
  expect(await progressOf(silent.id)).toBeNull()
  await silent.beat()
  expect(await progressOf(silent.id)).toMatchObject({ standing: { applied: 0 } })
})

test('an instance that leaves is in no summary, and one that joins in the next', async () => {
  const { redis, witnesses } = await start(8, 3)
  const [reader, leaving] = witnesses
  await leaving.leave()
  await sleep(300)
  await change(witnesses.slice(2), 1)
  expect(reader.isUpToDate(await reader.beat())).toBe(true)
  leaving.isHere = true
  leaving.stand({ applied: 1 })
  await leaving.beat()
  expect(reader.isUpToDate(await reader.beat())).toBe(true)
  await sleep(300)
  await change(witnesses.slice(1), 2)
  expect(reader.isUpToDate(await reader.beat())).toBe(true)
  expect(await redis.cli('HEXISTS', '{test}:progress', leaving.id)).toBe('1')
})

test.each(['progress', 'progress:changes'])('the key %s may be deleted, or damaged', async (key) => {
  const { redis, witnesses } = await start(4, 2)
  for (const damage of [['DEL'], ['SET', 'damage']] as const) {
    await redis.cli(damage[0], `{test}:${key}`, ...damage.slice(1))
    for (const each of witnesses) each.stand({ applied: 5, only: `${key} ${damage[0]}` })
    for (const each of witnesses) await each.beat()
    await catchUp(witnesses[0])
  }
  await redis.cli('XADD', '{test}:progress:changes', '1000000-0', 'junk', 'junk')
  await change(witnesses, 6)
  for (const each of witnesses) await each.beat()
  await catchUp(witnesses[0])
})

/** What others may do to a Redis. */
const DISASTERS: readonly ((redis: RedisServer) => Promise<unknown>)[] = [
  (redis) => redis.cli('FLUSHALL'),
  (redis) => redis.cli('DEL', '{test}:progress'),
  (redis) => redis.cli('SET', '{test}:progress', 'damage'),
  (redis) => redis.cli('DEL', '{test}:progress:changes'),
  (redis) => redis.cli('SET', '{test}:progress:changes', 'damage'),
  // The key may be damaged.
  (redis) => redis.cli('XADD', '{test}:progress:changes', '100000000-0', 'junk', 'junk').catch(() => undefined),
  (redis) => redis.cli('DEL', '{test}:beats'),
  (redis) => redis.cli('SCRIPT', 'FLUSH'),
  (redis) => redis.cli('CLIENT', 'KILL', 'TYPE', 'normal'),
  restart,
]

async function restart(redis: RedisServer): Promise<void> {
  await redis.shutdown()
  await redis.restart()
}

const SEEDS = process.env.PROGRESS_SEEDS ?? '1 2 3'

test.each(
  SEEDS.split(' ').flatMap((seed) => [
    [Number(seed), false],
    [Number(seed), true],
  ]) as [number, boolean][],
)(
  'whatever is known of an instance was once so and is never undone (seed %d, disasters %s)',
  async (seed, withDisasters) => {
    const chance = new Chance(seed)
    const { redis, witnesses } = await start(
      6,
      chance.between(1, 4),
      endWithAll(await RedisServer.start({ persist: true })),
    )
    onTestFinished(({ task }) => {
      if (task.result?.state === 'fail') console.error(`seed ${seed}`)
    })
    let applied = 0
    let note = 0
    const say = (each: Witness): void => {
      // A report may also be lost; then the next heartbeat has it.
      if (chance.percent(85)) each.report(chance.percent(40))
    }
    const act = async (): Promise<void> => {
      const each = chance.pick(witnesses)
      const luck = chance.between(0, 99)
      if (luck < 40 || !each.isHere) {
        each.isHere = true
        await each.beat(each === witnesses[0] || chance.percent(30))
      } else if (luck < 65) {
        each.stand({ applied, only: `${note++}` })
        if (chance.percent(30)) each.cutOne()
        say(each)
      } else if (luck < 85) {
        applied++
        for (const other of witnesses) {
          other.stand({ applied })
          if (other.isHere) say(other)
        }
      } else if (luck < 87) await each.restart()
      else if (luck < 89) await each.leave()
      else await sleep(chance.between(0, 60))
    }
    for (let i = 0; i < 250; i++) {
      await Promise.all(Array.from({ length: chance.between(1, 4) }, act))
      if (withDisasters && chance.percent(5)) await chance.pick(DISASTERS)(redis)
    }
    applied++
    for (const each of witnesses) {
      each.isHere = true
      each.stand({ applied })
    }
    await expect
      .poll(
        async () =>
          (await Promise.all(witnesses.map((each) => each.beat(each === witnesses[0])))).every(
            (read) => read.length === 6,
          ),
        { timeout: 10_000 },
      )
      .toBe(true)
    const [complete, ...others] = witnesses
    for (const each of others) await catchUp(each)
    const read = await complete.beat(true)
    // Whoever reads every change has counted every request that was cut.
    if (!withDisasters)
      for (const each of others) if (each.isSteady) expect(complete.cutOf(each.id, read)).toBe(each.cutTold)
  },
  60_000,
)
