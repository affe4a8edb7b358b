import { beforeEach, describe, expect, test } from 'vitest'
import { Convergence } from '../../src/control/fleet/convergence.ts'
import { Fleet } from '../../src/control/fleet/fleet.ts'
import { Lineage } from '../../src/control/fleet/lineage.ts'
import { Progress } from '../../src/control/progress.ts'
import type { Departure, InstanceProgress, InstanceRecord } from '../../src/model/fleet.ts'
import type { JsonObject } from '../../src/model/state.ts'
import type { BeatOptions, KeptProgress, Register, ReportListener, Sighting } from '../../src/store/register.ts'
import { OutcomeUnknown, StoreUnavailable } from '../../src/store/store.ts'

const KEY = 'shop/blue/blue1=http://127.0.0.1:1'

/** A register with the content that the test sets. */
class HandDriven implements Register {
  sightings: Sighting[] = []
  struck: string[] = []
  forgotten: string[] = []
  putBack: readonly Sighting[] = []
  reported: JsonObject[] = []
  /** Whether each report was to be sent to all. */
  told: boolean[] = []
  complete: boolean[] = []
  isAway = false
  error = new StoreUnavailable('away')
  hear: ReportListener = () => undefined

  async beat(
    _id: string,
    _record: JsonObject,
    { lost = [], complete = false }: BeatOptions = {},
  ): Promise<readonly Sighting[]> {
    this.putBack = lost
    this.complete.push(complete)
    if (this.isAway) throw this.error
    return this.sightings
  }

  report(_id: string, { standing, ...rest }: KeptProgress, isTold: boolean): void {
    this.reported.push({ ...rest, ...standing })
    this.told.push(isTold)
  }

  tell(): void {}

  onReport(listener: ReportListener): void {
    this.hear = listener
  }

  async strike(ids: readonly string[]): Promise<readonly string[]> {
    this.struck.push(...ids)
    return ids
  }

  async forget(ids: readonly string[]): Promise<void> {
    this.forgotten.push(...ids)
  }
}

function record(id: string, progress: Partial<InstanceRecord> = {}): InstanceRecord {
  return {
    id,
    name: id,
    host: 'machine',
    address: `http://${id}.internal:9900`,
    version: '1',
    startedAt: '2026-11-25T00:00:00.000Z',
    boot: `boot of ${id}`,
    sequence: 1,
    applied: { revision: 1, head: 'h1' },
    busy: {},
    cut: {},
    configuration: { hash: 'x', version: null },
    overrides: [],
    inFlight: {},
    processes: [],
    ...progress,
  }
}

function sighting(of: InstanceRecord, ageMs = 0): Sighting {
  return { id: of.id, record: of as unknown as JsonObject, ageMs }
}

let register: HandDriven
let fleet: Fleet
let progress: Progress
let convergence: Convergence
let lineage: Lineage
let own: InstanceProgress
let struck: [name: string, departure: Departure][]

/** Advances past the grace period of three seconds, in which no instance counts as gone. */
function endGrace(): void {
  ;(fleet as unknown as { members: { graceUntil: number } }).members.graceUntil = 0
}

function departure(id: string, ageMs: number, said: Partial<Departure> = {}): Sighting {
  return { id, record: { leaving: true, why: 'left', by: null, reason: null, ...said }, ageMs }
}

/** Makes the fleet read the register now, as with the next heartbeat. */
async function beat(): Promise<void> {
  await (fleet as unknown as { beat(): Promise<void> }).beat()
}

beforeEach(async () => {
  register = new HandDriven()
  own = { boot: 'own', sequence: 1, applied: null, busy: {}, cut: {} }
  lineage = new Lineage()
  progress = new Progress(() => convergence.check())
  convergence = new Convergence({
    progress,
    lineage,
    handovers: () => ({}),
    others: () => fleet.others(),
    unreadable: () => fleet.unreadable(),
    watch: () => fleet.watch(),
    ownName: 'me',
  })
  fleet = new Fleet({
    register,
    id: 'me',
    record: () => record('me'),
    progress: () => own,
    onChange: () => convergence.check(),
    onStruck: (...told) => struck.push(told),
  })
  struck = []
  lineage.add({ revision: 1, head: 'h1' })
  // The grace period after the start is over.
  await beat()
  endGrace()
  progress.add('worker')
  progress.take('worker', { type: 'applied', generation: 1, busy: {} })
})

describe('an instance', () => {
  test("is live with a heartbeat in the last three seconds, by the store's clock", async () => {
    register.sightings = [sighting(record('b'), 2_900), sighting(record('c'), 3_100), sighting(record('me'))]
    await beat()
    expect(fleet.others().map(({ record, live }) => [record.id, live])).toEqual([
      ['b', true],
      ['c', false],
    ])
  })

  test('is not gone for want of heartbeats while the store was away', async () => {
    register.sightings = [sighting(record('b'))]
    await beat()
    register.isAway = true
    await beat()
    expect(fleet.live().length).toBe(1)
    // The store is back after ten seconds without heartbeats of this instance.
    ;(fleet as unknown as { lastBeatAt: number }).lastBeatAt -= 10_000
    register.isAway = false
    register.sightings = [sighting(record('b'), 10_000)]
    await beat()
    expect(fleet.live().length).toBe(1)
  })

  test('that has not been heard of since an outage of the store is lagging, whatever its record says', async () => {
    const goal = { generation: 1, state: { revision: 1, head: 'h1' } }
    register.sightings = [sighting(record('b'))]
    await beat()
    expect(convergence.standing(goal, []).lagging).toEqual([])
    ;(fleet as unknown as { lastBeatAt: number }).lastBeatAt -= 10_000
    register.sightings = [sighting(record('b'), 10_000)]
    await beat()
    expect(convergence.standing(goal, [])).toMatchObject({ lagging: ['b'], leftOut: [] })
    register.sightings = [sighting(record('b', { sequence: 2 }))]
    await beat()
    expect(convergence.standing(goal, []).lagging).toEqual([])
  })

  test('with an invalid record is ignored', async () => {
    const nonsense = { id: 'x', record: { id: 'x', busy: 7 } as unknown as JsonObject, ageMs: 0 }
    register.sightings = [nonsense, sighting(record('b'))]
    await beat()
    expect(fleet.others().map(({ record }) => record.id)).toEqual(['b'])
    register.hear('b', { boot: 'boot of b', sequence: -1 })
    register.hear('unknown', { sequence: 5 })
    expect(fleet.others()[0]?.record.sequence).toBe(1)
  })

  test('that publishes progress is updated at once; an older message is ignored', async () => {
    register.sightings = [sighting(record('b', { sequence: 5 }))]
    await beat()
    const tell = (sequence: number, revision: number, boot = 'boot of b') =>
      register.hear('b', { boot, sequence, applied: { revision, head: `h${revision}` }, busy: {}, cut: {} })
    tell(7, 3)
    tell(6, 2)
    tell(9, 4, 'another boot')
    expect(fleet.others()[0]?.record.applied?.revision).toBe(3)
    // This heartbeat was sent before the progress.
    register.sightings = [sighting(record('b', { sequence: 6, inFlight: { [KEY]: 2 } }))]
    await beat()
    expect(fleet.others()[0]?.record).toMatchObject({ applied: { revision: 3 }, inFlight: { [KEY]: 2 } })
    register.sightings = [sighting(record('b', { boot: 'restarted', sequence: 1, applied: null }))]
    await beat()
    expect(fleet.others()[0]?.record.applied).toBeNull()
  })

  test('that publishes its record between heartbeats is updated at once; an older heartbeat is ignored', async () => {
    register.sightings = [sighting(record('b', { sequence: 1, address: '' }))]
    await beat()
    const announced = record('b', { sequence: 3, address: 'http://10.0.0.2:9900' })
    register.hear('b', announced as unknown as JsonObject)
    await beat()
    expect(fleet.others()[0]?.record).toEqual(announced)
    register.hear('c', record('c') as unknown as JsonObject)
    expect(fleet.live().map(({ record }) => record.id)).toEqual(['b', 'c'])
    register.hear('me', record('me') as unknown as JsonObject)
    expect(fleet.others().length).toBe(2)
  })

  test('that was silent when this one started gets a grace period: the store may have been away', async () => {
    ;(fleet as unknown as { lastBeatAt: null }).lastBeatAt = null
    register.sightings = [sighting(record('b'), 10_000), sighting(record('c'), 2 * 3_600_000)]
    await beat()
    expect(fleet.live().map(({ record }) => record.id)).toEqual(['b'])
    endGrace()
    await beat()
    expect(fleet.live()).toEqual([])
  })

  test('that is live with an unreadable record delays waits', async () => {
    register.sightings = [{ id: 'newer', record: { says: 'something else' }, ageMs: 100 }]
    await beat()
    const goal = { generation: 1, state: { revision: 1, head: 'h1' } }
    expect(convergence.standing(goal, [])).toMatchObject({ applied: false, lagging: ['newer'] })
  })

  test('that signs off is no longer waited for', async () => {
    register.sightings = [sighting(record('b', { applied: null }))]
    await beat()
    const waited = convergence.wait({ generation: 1, state: { revision: 1, head: 'h1' } }, [], 5_000)
    register.hear('b', { leaving: true, why: 'left', by: null, reason: null })
    expect(await waited).toMatchObject({ applied: true, leftOut: [] })
    expect(fleet.others()).toEqual([])
  })

  test('that is gone is struck off when another one has its address, not because of the time', async () => {
    register.sightings = [
      sighting(record('b1', { address: 'http://10.0.0.1:9900' }), 60_000),
      sighting(record('b2', { address: 'http://10.0.0.1:9900' })),
      sighting(record('old', { address: 'http://10.0.0.2:9900' }), 25 * 3_600_000),
      sighting(record('gone', { address: 'http://10.0.0.3:9900' }), 60_000),
    ]
    await beat()
    expect(register.struck).toEqual(['b1'])
    expect(convergence.leftOut()).toEqual(['gone', 'old'])
  })

  test('that is gone is named until it is back, signs off or is struck off', async () => {
    const all = ['b', 'c', 'd'].map((id) => sighting(record(id), 60_000))
    register.sightings = [...all, { id: 'newer', record: { says: 'something else' }, ageMs: 60_000 }]
    await beat()
    expect(convergence.leftOut()).toEqual(['b', 'c', 'd', 'newer'])
    register.sightings = [
      sighting(record('b')),
      departure('c', 100),
      departure('d', 100, { why: 'struck', by: 'alice', reason: 'burnt' }),
      departure('newer', 100, { why: 'struck', by: 'alice' }),
    ]
    await beat()
    await beat()
    expect(convergence.leftOut()).toEqual([])
    expect(struck.map(([name, { by, reason }]) => [name, by, reason])).toEqual([
      ['d', 'alice', 'burnt'],
      ['newer', 'alice', null],
    ])
    register.sightings = [sighting(record('d'))]
    await beat()
    expect(fleet.live().map(({ record }) => record.id)).toEqual(['b', 'd'])
  })

  test('that is gone is named although the register was emptied, and put back into the register', async () => {
    register.sightings = [sighting(record('b'), 60_000), sighting(record('c')), sighting(record('d'))]
    await beat()
    register.sightings = [sighting(record('c'))]
    await beat()
    expect(convergence.leftOut()).toEqual(['b'])
    // At once, and live instances, too: an instance that starts now may never hear of them otherwise.
    expect(register.putBack.map(({ id }) => id)).toEqual(['b', 'd'])
    expect(register.putBack[0]?.ageMs).toBeGreaterThanOrEqual(60_000)
    expect(register.putBack[1]?.ageMs).toBeLessThan(10_000)
    expect(fleet.live().map(({ record }) => record.id)).toEqual(['c', 'd'])
  })

  test('that was replaced is named until its replacement is known', async () => {
    const address = 'http://b.internal:9900'
    register.sightings = [sighting(record('b', { address }), 60_000)]
    await beat()
    register.hear('b', { leaving: true, why: 'replaced', by: null, reason: null })
    expect(convergence.leftOut()).toEqual(['b'])
    register.hear('later', record('later', { address }) as unknown as JsonObject)
    register.hear('b', { leaving: true, why: 'replaced', by: null, reason: null })
    expect(convergence.leftOut()).toEqual([])
    expect(fleet.live().map(({ record }) => record.id)).toEqual(['later'])
  })

  test('that has joined since the last heartbeat is known after a refresh', async () => {
    await fleet.join()
    register.sightings = [sighting(record('b', { applied: null }))]
    expect(fleet.live()).toEqual([])
    expect(await fleet.refresh(0)).toBe(true)
    expect(fleet.live().map(({ record }) => record.id)).toEqual(['b'])
    register.isAway = true
    expect(await fleet.refresh(0)).toBe(false)
    const refreshed = fleet.refresh(10_000)
    register.isAway = false
    // The next heartbeat.
    expect(await refreshed).toBe(true)
    fleet.stop()
    expect(await fleet.refresh(0)).toBe(false)
  })

  test('counts on a record of this one for three seconds after it may have been written, and reads it a second later', async () => {
    register.isAway = true
    // What an earlier process of this instance has said is unknown.
    expect(fleet.heardForMs).toBeGreaterThan(3_900)
    const forget = () => {
      ;(fleet as unknown as { lastSaidAt: number }).lastSaidAt -= 60_000
    }
    forget()
    await beat()
    expect(fleet.heardForMs).toBe(0)
    register.error = new OutcomeUnknown('no answer')
    await beat()
    expect(fleet.heardForMs).toBeGreaterThan(3_900)
    forget()
    register.isAway = false
    await beat()
    expect(fleet.heardForMs).toBeGreaterThan(3_900)
  })

  test('known only to the previous process is waited for, and named if it stays silent', async () => {
    const remembered = { recall: () => [record('b'), record('me'), record('c')], keep: () => undefined }
    fleet = new Fleet({
      register,
      id: 'me',
      record: () => record('me'),
      progress: () => own,
      onChange: () => undefined,
      remembered,
    })
    register.sightings = [departure('c', 100)]
    await beat()
    expect(fleet.live().map(({ record }) => record.id)).toEqual(['b'])
    expect(register.putBack.map(({ id }) => id)).toEqual(['b'])
    endGrace()
    await beat()
    expect(convergence.leftOut()).toEqual(['b'])
  })

  test('that has departed is removed from the register after a day', async () => {
    register.sightings = [departure('b', 23 * 3_600_000), departure('c', 25 * 3_600_000)]
    await beat()
    expect(register.forgotten).toEqual(['c'])
  })

  test('publishes its progress once per turn of the event loop', async () => {
    const turn = () => new Promise((resolve) => setImmediate(resolve))
    own = { ...own, applied: { revision: 1, head: 'h1' } }
    for (let i = 0; i < 5; i++) fleet.report()
    await turn()
    fleet.report()
    await turn()
    expect(register.reported.length).toBe(1)
    own = { ...own, busy: { [KEY]: 1 } }
    fleet.report()
    await turn()
    expect(register.reported.at(-1)).toMatchObject({ busy: { [KEY]: 1 } })
  })
})

describe('in a large fleet', () => {
  const goal = { generation: 1, state: { revision: 1, head: 'h1' } }
  const turn = () => new Promise((resolve) => setImmediate(resolve))
  const at = (revision: number, busy = {}) => ({
    boot: 'any',
    sequence: 1,
    cut: {},
    standing: { applied: { revision, head: `h${revision}` }, busy },
  })
  const keeping = (id: string, progress: Sighting['progress'], ageMs = 0): Sighting => ({
    ...sighting(record(id, { keepsProgress: true, applied: null }), ageMs),
    ...(progress === undefined ? {} : { progress }),
  })
  beforeEach(async () => {
    fleet = new Fleet({
      register,
      id: 'me',
      record: () => record('me'),
      progress: () => own,
      onChange: () => convergence.check(),
      toldUpTo: 2,
    })
    register.sightings = [keeping('b', at(0)), keeping('c', at(0))]
    await beat()
    endGrace()
    await beat()
  })

  test('progress is not sent to the others, which read it', async () => {
    fleet.report()
    await turn()
    expect(register.told).toEqual([false])
    register.sightings = [keeping('b', at(1)), keeping('c', at(1))]
    await beat()
    expect(convergence.standing(goal, [])).toMatchObject({ applied: true, lagging: [] })
  })

  test('progress is sent at once when an instance is there that does not read it, and when few are left', async () => {
    fleet.report()
    await turn()
    register.hear('old', record('old') as unknown as JsonObject)
    expect(register.told).toEqual([false, true])
    register.sightings = [keeping('b', at(1))]
    fleet.report()
    await turn()
    expect(register.told).toEqual([false, true])
    own = { ...own, sequence: 2, busy: { [KEY]: 1 } }
    fleet.report()
    await turn()
    expect(register.told).toEqual([false, true, true])
  })

  test('an instance whose progress the register has lost is lagging until it has said it again', async () => {
    register.sightings = [keeping('b', at(1)), keeping('c', null)]
    await beat()
    expect(convergence.standing(goal, [])).toMatchObject({ applied: false, lagging: ['c'] })
    register.sightings = [keeping('b', at(1))]
    await beat()
    expect(convergence.standing(goal, []).lagging).toEqual(['c'])
    register.hear('c', {}, at(1))
    register.sightings = [keeping('b', at(1)), keeping('c', at(1))]
    await beat()
    expect(convergence.standing(goal, []).lagging).toEqual([])
  })

  test('what the register keeps is newer than the record, whatever the numbers of both', async () => {
    const late = record('b', { keepsProgress: true, sequence: 50, busy: { [KEY]: 7 } })
    register.sightings = [{ ...sighting(late), progress: at(1, { [KEY]: 1 }) }, keeping('c', at(1))]
    await beat()
    expect(convergence.standing(goal, [KEY]).busy).toEqual({ [KEY]: 1 })
    register.hear('b', { boot: 'any', sequence: 2, cut: {}, applied: null, busy: {} }, at(1))
    expect(convergence.standing(goal, [KEY]).busy).toEqual({})
  })

  test('the others are read in full while something waits for them, and more often', async () => {
    await fleet.join()
    const before = register.complete.length
    const waited = convergence.wait(goal, [], 10_000)
    await expect.poll(() => register.complete.length).toBeGreaterThan(before + 2)
    expect(register.complete.slice(before).every((each) => each)).toBe(true)
    register.sightings = [keeping('b', at(1)), keeping('c', at(1))]
    const since = performance.now()
    expect(await waited).toMatchObject({ applied: true })
    expect(performance.now() - since).toBeLessThan(800)
    fleet.stop()
  })
})

describe('a goal', () => {
  const goal = { generation: 1, state: { revision: 1, head: 'h1' } }

  test('is reached when it is in force at every live instance', async () => {
    register.sightings = [
      sighting(record('b', { applied: { revision: 0, head: 'h0' } })),
      sighting(record('c', { applied: null })),
      sighting(record('gone', { applied: null }), 9_000),
    ]
    await beat()
    expect(convergence.standing(goal, [])).toMatchObject({ applied: false, lagging: ['b', 'c'] })
    const waited = convergence.wait(goal, [], 5_000)
    for (const id of ['b', 'c']) {
      const told = { boot: `boot of ${id}`, sequence: 9, applied: { revision: 1, head: 'h1' }, busy: {}, cut: {} }
      register.hear(id, told)
    }
    expect(await waited).toMatchObject({ applied: true, lagging: [], leftOut: ['gone'] })
  })

  test('is not reached by another change of the same revision, or by a later one with another ancestor', async () => {
    register.sightings = [
      sighting(record('b', { applied: { revision: 1, head: 'lost' } })),
      sighting(record('c', { applied: { revision: 2, head: 'lost, too' } })),
    ]
    await beat()
    expect(convergence.standing(goal, []).lagging).toEqual(['b', 'c'])
    lineage.add({ revision: 2, head: 'h2' })
    register.hear('c', { boot: 'boot of c', sequence: 9, applied: { revision: 2, head: 'h2' }, busy: {}, cut: {} })
    expect(convergence.standing(goal, []).lagging).toEqual(['b'])
  })

  describe('of an instance where definitions wait for their servers', () => {
    const waits = { waitsFor: 'shop waits for its new servers: b1 is down', serves: [KEY] }
    const appliedInPart = { revision: 1, head: 'h1', handovers: { shop: waits } }
    const before = { revision: 0, head: 'h0' }
    beforeEach(async () => {
      lineage.add({ revision: 1, head: 'h1' })
      progress.add('worker')
      progress.take('worker', { type: 'applied', generation: 1, busy: {} })
      register.sightings = [sighting(record('b', { applied: before, appliedInPart }))]
      await beat()
    })

    test('is reached for other services, and for no others', () => {
      const handovers = [{ instance: 'b', service: 'shop', waitsFor: waits.waitsFor }]
      expect(convergence.standing({ ...goal, services: ['api'] }, [])).toMatchObject({ applied: true, handovers: [] })
      for (const services of [{ services: ['shop', 'api'] }, {}])
        expect(convergence.standing({ ...goal, ...services }, [])).toMatchObject({
          applied: false,
          lagging: [],
          handovers,
        })
      expect(convergence.servedMeanwhile()).toEqual([KEY])
    })

    test('is reached by the end of the handover', async () => {
      const waited = convergence.wait({ ...goal, services: ['shop'] }, [], 5_000)
      const told = { boot: 'boot of b', sequence: 9, applied: { revision: 1, head: 'h1' }, busy: {}, cut: {} }
      register.hear('b', told)
      expect(await waited).toMatchObject({ applied: true, handovers: [] })
    })

    test('is not reached by a later revision than it has', () => {
      const later = { generation: 1, state: { revision: 2, head: 'h2' }, services: ['api'] }
      lineage.add(later.state)
      expect(convergence.standing(later, [])).toMatchObject({ applied: false, lagging: ['b'] })
    })
  })

  test('is idle when no request is in flight anywhere; cut requests are added up', async () => {
    register.sightings = [sighting(record('b', { busy: { [KEY]: 2 } })), sighting(record('c', { cut: { [KEY]: 4 } }))]
    await beat()
    progress.take('worker', { type: 'applied', generation: 1, busy: { [KEY]: 1 } })
    expect(convergence.standing(goal, [KEY])).toMatchObject({
      applied: true,
      busy: { [KEY]: 3 },
      busyAt: [{ instance: 'me' }, { instance: 'b' }],
    })
    expect(convergence.standing(goal, [KEY], true).busy).toEqual({ [KEY]: 1 })
    const waited = convergence.wait(goal, [KEY], 5_000)
    progress.take('worker', { type: 'idle', key: KEY, cut: 1 })
    const told = { boot: 'boot of b', sequence: 9, applied: { revision: 1, head: 'h1' }, busy: {}, cut: { [KEY]: 2 } }
    register.hear('b', told)
    expect(await waited).toMatchObject({ busy: {}, cut: 3 })
  })

  test('does not depend on an instance that is gone, which is named', async () => {
    register.sightings = [sighting(record('b', { applied: null }))]
    await beat()
    const waited = convergence.wait(goal, [], 5_000)
    register.sightings = [sighting(record('b', { applied: null }), 3_500)]
    await beat()
    expect(await waited).toMatchObject({ applied: true, leftOut: ['b'] })
    // Also if it was gone before.
    expect(await convergence.wait(goal, [], 5_000)).toMatchObject({ applied: true, leftOut: ['b'] })
    expect(await convergence.wait(goal, [], 5_000, true)).toMatchObject({ applied: true, leftOut: [] })
  })

  test('names instances with their address if the name is not unique', async () => {
    register.sightings = [
      sighting(record('b', { name: 'me', address: 'http://10.0.0.2:9900', applied: null })),
      sighting(record('c', { applied: null })),
    ]
    await beat()
    expect(convergence.standing(goal, []).lagging).toEqual(['me (http://10.0.0.2:9900)', 'c'])
    register.sightings = [
      sighting(record('c', { applied: null })),
      sighting(record('d', { name: 'c', address: '' }), 9_000),
    ]
    await beat()
    expect(convergence.standing(goal, [])).toMatchObject({
      lagging: ['me (http://10.0.0.2:9900)', 'c'],
      leftOut: ['c (d)'],
    })
  })
})
