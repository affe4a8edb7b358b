import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { checkService } from '../../src/config/check-service.ts'
import { Control } from '../../src/control/control.ts'
import type { Result } from '../../src/control/controller.ts'
import { defineService } from '../../src/control/definitions.ts'
import { localLink, type ProxyEnd } from '../../src/control/link.ts'
import type { Command } from '../../src/model/commands.ts'
import type { LoadReport, Report, ToProxy } from '../../src/model/messages.ts'
import { EmbeddedStore } from '../../src/store/embedded/embedded-store.ts'

const KEY = 'shop/blue/blue1=http://127.0.0.1:1'
const NOTHING: LoadReport = { inFlight: {}, queued: {}, held: {}, connections: 0, listeners: {} }
const EMPTY: Report = {
  ...NOTHING,
  whole: false,
  series: [],
  tallies: [],
  ended: [],
  rows: [],
  versions: [],
  accessLogDropped: 0,
  handshakes: [],
  traceSpansDropped: 0,
}

let folder = ''
let store: EmbeddedStore
let control: Control

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cutover-control-'))
  store = new EmbeddedStore({ path: folder })
  control = new Control({ store, resolve: checkService })
  await control.start()
  const pool = (name: string) => ({
    servers: { [`${name}1`]: 'http://127.0.0.1:1', [`${name}2`]: 'http://127.0.0.1:2' },
  })
  const source = { pools: { blue: pool('blue'), green: pool('green') }, split: { blue: 100 }, health: 'off' }
  await control.execute(defineService('shop', source), request)
})
afterEach(async () => {
  control.stop()
  await store.close()
  await rm(folder, { recursive: true })
})

const request = { by: 'test', reason: null, force: false, ifMatch: null }
const command = (made: Command) => control.execute(() => ({ command: made }), request)
const setState = (state: 'drain' | 'ready') => command({ kind: 'server', server: 'blue1', state })

function done(result: Result): Extract<Result, { kind: 'done' }> {
  if (result.kind !== 'done') throw new Error(JSON.stringify(result))
  return result
}

/** A proxy that sends the messages that the test tells it to. */
class HandDriven {
  readonly received: ToProxy[] = []
  private readonly end: ProxyEnd
  private wake: () => void = () => undefined

  constructor(name: string) {
    const { control: controlEnd, proxy } = localLink()
    this.end = proxy
    proxy.receive((message) => {
      this.received.push(message)
      this.wake()
    })
    control.attach(name, controlEnd)
  }

  /** Reports that the table of a revision is in force, once it has arrived. */
  async apply(revision: number, busy: Readonly<Record<string, number>> = {}): Promise<void> {
    // The first table is the one of the empty state, revision 0.
    const generation = revision + 1
    await this.has((message) => message.type === 'table' && message.change.generation === generation)
    this.end.send({ type: 'applied', generation, busy })
  }

  idle(cut = 0): void {
    this.end.send({ type: 'idle', key: KEY, cut })
  }

  fail(key: string, count: number): void {
    this.end.send({ type: 'failures', recovered: [], counts: [[key, count, false]] })
  }

  async report(report: Partial<Report>): Promise<void> {
    const message = await this.has(({ type }) => type === 'report')
    if (message.type === 'report') this.end.send({ type: 'report', id: message.id, report: { ...EMPTY, ...report } })
  }

  async has(isWanted: (message: ToProxy) => boolean): Promise<ToProxy> {
    for (;;) {
      const message = this.received.find(isWanted)
      if (message !== undefined) return message
      await new Promise<void>((resolve) => {
        this.wake = resolve
      })
    }
  }
}

describe('a change is settled', () => {
  test('when every proxy has it in force; proxies that do not are named', async () => {
    const [a, b] = [new HandDriven('a'), new HandDriven('b')]
    const { revision, drains } = done(await setState('drain'))
    await a.apply(revision)
    const late = await control.drains.settled(revision, drains, 20)
    expect(late).toMatchObject({ applied: false, lagging: ['b'], busy: {}, cut: 0, reopened: [] })
    expect(control.applied()).toBeNull()
    const settled = control.drains.settled(revision, drains, 10_000)
    await b.apply(revision)
    expect(await settled).toMatchObject({ applied: true, lagging: [], busy: {} })
    expect(control.applied()?.revision).toBe(revision)
  })

  test('when the last request at every proxy has ended; cut requests are added up', async () => {
    const [a, b] = [new HandDriven('a'), new HandDriven('b')]
    const { revision, drains } = done(await setState('drain'))
    await a.apply(revision, { [KEY]: 2, 'other/x/y=http://h': 5 })
    await b.apply(revision, { [KEY]: 3 })
    expect(await control.drains.settled(revision, drains, 20)).toMatchObject({ applied: true, busy: { [KEY]: 5 } })
    const settled = control.drains.settled(revision, drains, 10_000)
    a.idle(2)
    b.idle(1)
    expect(await settled).toMatchObject({ applied: true, busy: {}, cut: 3 })
  })

  test('without proxies that are gone', async () => {
    const [a, b] = [new HandDriven('a'), new HandDriven('b')]
    const { revision, drains } = done(await setState('drain'))
    await a.apply(revision)
    await b.apply(revision, { [KEY]: 1 })
    const settled = control.drains.settled(revision, drains, 10_000)
    control.progress.remove('b')
    expect(await settled).toMatchObject({ applied: true, busy: {} })
  })

  test('not if a server takes requests again', async () => {
    const a = new HandDriven('a')
    const { revision, drains } = done(await setState('drain'))
    await a.apply(revision, { [KEY]: 1 })
    const settled = control.drains.settled(revision, drains, 10_000)
    const back = done(await setState('ready'))
    await a.apply(back.revision)
    expect(await settled).toMatchObject({ reopened: ['blue1'] })
  })

  test('not by a table between two drains: the second drain must be idle as well', async () => {
    const a = new HandDriven('a')
    const { revision, drains } = done(await setState('drain'))
    await a.apply(revision, { [KEY]: 1 })
    let isSettled = false
    const settled = control.drains.settled(revision, drains, 10_000).then((each) => {
      isSettled = true
      return each
    })
    const back = done(await setState('ready'))
    const again = done(await setState('drain'))
    // The proxy is behind: the server is open in its table, so that it reports no requests to drain.
    await a.apply(back.revision)
    await a.apply(again.revision, { [KEY]: 1 })
    await new Promise((resolve) => setImmediate(resolve))
    expect(isSettled).toBe(false)
    a.idle(1)
    expect(await settled).toMatchObject({ reopened: [], busy: {}, cut: 1 })
  })
})

describe('reports', () => {
  const series = (pool: string, count: number) => ({
    service: 'shop',
    pool,
    version: '1',
    codes: { '200': count, '502': 1 },
    durations: { buckets: [count, 0, 1], sumSeconds: count / 10 },
    upstream: { buckets: [count], sumSeconds: count / 20 },
  })

  test('of all proxies are added up', async () => {
    const [a, b] = [new HandDriven('a'), new HandDriven('b')]
    const collected = control.proxies.collect()
    await a.report({
      inFlight: { x: 1, y: 2 },
      queued: { shop: 2 },
      series: [series('blue', 3)],
      tallies: [{ kind: 'retries', service: 'shop', label: 'connect', count: 1 }],
      connections: 4,
      listeners: { 'a:1': 1, 'a:2': 3 },
    })
    await b.report({
      inFlight: { y: 5 },
      queued: { shop: 1 },
      series: [series('blue', 4), series('green', 1)],
      tallies: [
        { kind: 'retries', service: 'shop', label: 'connect', count: 2 },
        { kind: 'retries', service: 'shop', label: 'reset', count: 1 },
      ],
      connections: 6,
      listeners: { 'a:2': 6 },
    })
    expect(await collected).toEqual({
      inFlight: { x: 1, y: 7 },
      held: {},
      queued: { shop: 3 },
      connections: 10,
      listeners: { 'a:1': 1, 'a:2': 9 },
    })
    expect(control.counts()).toEqual({
      series: [
        {
          ...series('blue', 7),
          codes: { '200': 7, '502': 2 },
          durations: { buckets: [7, 0, 2], sumSeconds: 0.7 },
          upstream: { buckets: [7], sumSeconds: 0.35 },
        },
        series('green', 1),
      ],
      tallies: [
        { kind: 'retries', service: 'shop', label: 'connect', count: 3 },
        { kind: 'retries', service: 'shop', label: 'reset', count: 1 },
      ],
    })
  })

  test('do not wait for a proxy that does not answer', async () => {
    const a = new HandDriven('a')
    new HandDriven('silent')
    const collected = control.proxies.collect()
    await a.report({ connections: 4 })
    expect((await collected).connections).toBe(4)
  })

  test('are empty without proxies', async () => {
    expect(await control.proxies.collect()).toEqual(NOTHING)
    expect(control.counts()).toEqual({ series: [], tallies: [] })
  })
})

test('a proxy that is attached later gets the table and the health', async () => {
  const a = new HandDriven('late')
  await a.apply(1)
  expect(a.received).toMatchObject([
    { type: 'hooks', hooks: { program: null } },
    { type: 'table', change: { generation: 2, services: [{ name: 'shop' }] }, health: [[KEY, 'up'], {}, {}, {}] },
  ])
})

test('a server that is un-ejected because another one is removed is up in the table that removes it', async () => {
  const a = new HandDriven('a')
  a.fail(KEY, 3)
  const told = (message: ToProxy, health: string) =>
    (message.type === 'health' && message.changes.some(([key, now]) => key === KEY && now === health)) ||
    (message.type === 'table' && message.health.some(([key, now]) => key === KEY && now === health))
  await a.has((message) => told(message, 'ejected'))
  const before = a.received.length
  const drain: Command = { kind: 'server', service: 'shop', pool: 'blue', server: 'blue2', state: 'drain' }
  const { revision } = done(await control.execute(() => ({ command: drain }), { ...request, force: true }))
  await a.apply(revision)
  const first = a.received.slice(before).find((message) => told(message, 'up'))
  expect(first).toMatchObject({ type: 'table', change: { generation: revision + 1 } })
})
