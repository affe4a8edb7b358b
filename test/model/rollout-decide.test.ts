import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Command, Outcome, Request } from '../../src/model/commands.ts'
import { hasEnded, type Rollout, rolloutsOf, runningRollout } from '../../src/model/rollout/rollout.ts'
import type { RolloutVerb } from '../../src/model/rollout/verbs.ts'
import type { JsonObject } from '../../src/model/state.ts'
import { RollingWorld } from './rollout-support.ts'
import { definitionOf, FORCED, PLAIN, up } from './support.ts'

const STEPS = [{ setWeight: 30 }, { pause: {} }, { setWeight: 60 }, { pause: {} }]

/** `shop` with a rollout from blue to green that waits at its first gate, at 30 %. */
function at30(settings: JsonObject = {}): RollingWorld {
  const world = new RollingWorld()
  world.begin({ steps: STEPS, ...settings })
  world.settle()
  expect([world.running().reason, world.split()]).toEqual(['Gate', { blue: 70, green: 30 }])
  return world
}

function refused(outcome: Outcome): string | null {
  if (outcome.kind !== 'refused') return null
  const { refusal } = outcome
  return 'detail' in refusal ? refusal.detail : refusal.kind
}

const CHANGES: readonly (readonly [string, Command])[] = [
  ['switch', { kind: 'switch', service: 'shop', to: 'green' }],
  ['shift', { kind: 'shift', service: 'shop', to: 'green', percent: 50 }],
  ['split', { kind: 'split', service: 'shop', split: { blue: 50, green: 50 } }],
  ['rollback', { kind: 'rollback', service: 'shop' }],
  ['remove', { kind: 'remove', service: 'shop' }],
  ['define', { kind: 'define', service: 'shop', definition: definitionOf({ blue: 2, green: 3 }), action: 'update' }],
]

describe('while a rollout runs', () => {
  test.each(CHANGES)('%s is refused and names it; with force it takes its place', (_, command) => {
    const world = at30()
    const { id } = world.running()
    expect(refused(world.run(command))).toContain(`Rollout ${id} of shop to pool green is running`)
    expect(world.running().weight).toBe(30)
    world.must(command, FORCED)
    expect(runningRollout(world.state, 'shop')).toBeNull()
    expect(world.find(id)).toMatchObject({ state: 'Superseded', endedMs: world.facts.nowMs, routes: [], mirror: null })
    if (command.kind !== 'remove') expect(world.service().rollout).toBeUndefined()
  })

  test('what leaves its routing as it is may be done', () => {
    const world = at30()
    world.must({ kind: 'server', server: 'blue1', state: 'drain' })
    world.must({
      kind: 'mode',
      service: 'shop',
      mode: { kind: 'stopped', message: '', status: 503, retryAfterMs: null } as never,
    })
    world.must({ kind: 'freeze', service: 'shop', freeze: FREEZE })
    expect(world.running().state).toBe('Paused')
  })

  test('another one is refused and names it; in its place, it begins with the canary at 0', () => {
    const world = at30()
    const { id } = world.running()
    expect(refused(world.start({ steps: STEPS }))).toContain(`Rollout ${id} to pool green of shop is running`)
    expect(world.start({ steps: STEPS }, { replace: true }).kind).toBe('change')
    expect(world.running()).toMatchObject({ state: 'Pending', weight: 0, from: 'blue', to: 'green' })
    expect(world.find(id)).toMatchObject({ state: 'Superseded', weight: 0 })
    expect(world.split()).toEqual({ blue: 100 })
    // Nothing goes to its canary while an instance may still send requests to the one before.
    world.settle({ lagging: ['b'] })
    expect(world.running()).toMatchObject({ state: 'Pending', weight: 0, routes: [] })
    world.settle()
    expect(world.split()).toEqual({ blue: 70, green: 30 })
  })

  test('the place of one that is being aborted may be taken; it was aborted all the same', () => {
    for (const take of [
      (world: RollingWorld) => world.start({ steps: STEPS }, { replace: true }),
      (world: RollingWorld) => world.must({ kind: 'switch', service: 'shop', to: 'green' }, FORCED),
    ]) {
      const world = at30()
      const { id } = world.running()
      world.ask({ verb: 'abort' })
      expect(world.find(id)?.state).toBe('Aborting')
      take(world)
      expect(world.find(id)).toMatchObject({ state: 'Aborted', reason: 'Manual' })
    }
  })

  test('an abort leaves the split as it was before, and a retry begins anew', () => {
    const world = at30()
    const { id } = world.running()
    world.ask({ verb: 'abort' })
    expect(world.split()).toEqual({ blue: 100 })
    expect(refused(world.ask({ verb: 'retry' }, PLAIN, id))).toContain('being aborted')
    world.settle()
    expect([world.find(id)?.state, world.service().rollout]).toEqual(['Aborted', undefined])
    expect(refused(world.ask({ verb: 'resume' }, PLAIN, id))).toContain('has ended (Aborted)')
    expect(world.ask({ verb: 'retry' }, PLAIN, id).kind).toBe('change')
    expect(world.running()).toMatchObject({ state: 'Pending', from: 'blue', to: 'green' })
    expect(world.running().id).not.toBe(id)
  })
})

test('one begins only from one pool with all traffic, to one with none, and not during a deploy', () => {
  const world = new RollingWorld()
  world.must({ kind: 'shift', service: 'shop', to: 'green', percent: 10 })
  expect(refused(world.start({ steps: STEPS }, { to: 'green' }))).toContain('Pool green has 10 %')
  world.must({ kind: 'switch', service: 'shop', to: 'green' })
  expect(refused(world.start({ steps: STEPS }, { to: 'green' }))).toContain('Pool green has 100 %')
  expect(world.start({ steps: STEPS }).kind).toBe('change')
  expect(world.running()).toMatchObject({ from: 'green', to: 'blue' })
  const deploying = new RollingWorld()
  expect(deploying.deploy().kind).toBe('change')
  expect(refused(deploying.start({ steps: STEPS }))).toContain('deploys to pool green')
  const rolling = new RollingWorld()
  rolling.begin({ steps: STEPS })
  expect(refused(rolling.deploy())).toContain('is running (Pending)')
})

describe('R30 going back to a pool with too few servers', () => {
  test('is refused with their number; with force it is done, and recorded', () => {
    const world = at30()
    world.facts = { ...up('green1', 'green2'), nowMs: world.facts.nowMs }
    expect(refused(world.ask({ verb: 'abort' }))).toContain('Pool blue would serve 100 % of shop with 0 of its 2')
    expect(world.running().weight).toBe(30)
    const outcome = world.ask({ verb: 'abort' }, FORCED)
    expect(outcome).toMatchObject({ kind: 'change', change: { history: [{ forced: true, service: 'shop' }] } })
    expect(world.split()).toEqual({ blue: 100 })
  })

  test('more for a canary with too few servers likewise', () => {
    const world = at30()
    world.facts = { ...up('blue1', 'blue2'), nowMs: world.facts.nowMs }
    expect(refused(world.ask({ verb: 'setWeight', percent: 40 }))).toContain('Pool green would serve 40 %')
    expect(refused(world.ask({ verb: 'promote', full: false, toStep: 4 }))).toContain('Pool green would serve 60 %')
    expect(world.ask({ verb: 'setWeight', percent: 20 }).kind).toBe('change')
  })
})

const FREEZE = { by: 'ops', at: '2026-11-26T12:00:00.000Z', reason: 'black friday' }

describe('while the service is frozen', () => {
  function frozen(world: RollingWorld): RollingWorld {
    world.must({ kind: 'freeze', service: 'shop', freeze: FREEZE })
    return world
  }

  test('no rollout begins; one that is forced does, and does not mind that freeze', () => {
    const world = frozen(new RollingWorld())
    expect(refused(world.start({ steps: STEPS }))).toContain('shop is frozen by ops')
    expect(refused(world.start({ steps: STEPS }, { replace: true }))).toContain('shop is frozen by ops')
    expect(world.start({ steps: STEPS }, {}, FORCED).kind).toBe('change')
    world.settle()
    expect([world.running().forced, world.split()]).toEqual([true, { blue: 70, green: 30 }])
    world.must({ kind: 'freeze', service: 'shop', freeze: null })
    const later = new Date(world.facts.nowMs + 1_000).toISOString()
    world.must({ kind: 'freeze', service: 'shop', freeze: { ...FREEZE, at: later } })
    expect(refused(world.ask({ verb: 'setWeight', percent: 40 }))).toContain('frozen')
  })

  test('one that runs gets no more traffic, except by force, and may lose it', () => {
    const world = frozen(at30())
    expect(refused(world.ask({ verb: 'setWeight', percent: 40 }))).toContain('shop is frozen by ops')
    expect(refused(world.ask({ verb: 'promote', full: false, toStep: 4 }))).toContain('shop is frozen by ops')
    expect(world.ask({ verb: 'setWeight', percent: 40 }, FORCED).kind).toBe('change')
    expect(world.ask({ verb: 'setWeight', percent: 20 }).kind).toBe('change')
    expect(world.ask({ verb: 'abort' }).kind).toBe('change')
    expect(world.split()).toEqual({ blue: 100 })
  })
})

describe('R22 a request repeated with its Idempotency-Key', () => {
  const keyed = (key: string): Request => ({ ...PLAIN, idempotency: { key, fingerprint: 'same' } })

  test('makes one transition, also if the rollout has moved meanwhile', () => {
    const world = new RollingWorld()
    const begun = world.start({ steps: STEPS }, {}, keyed('begin'))
    expect(begun.kind).toBe('change')
    world.settle()
    const { revision } = world.state
    expect(world.start({ steps: STEPS }, {}, keyed('begin'))).toEqual({ kind: 'repeated', revision: 2 })
    expect(world.ask({ verb: 'abort' }, keyed('abort')).kind).toBe('change')
    const { id } = rolloutsOf(world.state, 'shop')[0] as Rollout
    world.settle()
    expect(world.ask({ verb: 'abort' }, keyed('abort'), id)).toEqual({ kind: 'repeated', revision: revision + 1 })
    expect(world.ask({ verb: 'retry' }, keyed('retry'), id).kind).toBe('change')
    const second = world.running().id
    expect(world.ask({ verb: 'retry' }, keyed('retry'), id).kind).toBe('repeated')
    expect([world.running().id, rolloutsOf(world.state, 'shop').length]).toEqual([second, 2])
  })
})

test('R21 of a promotion and an abort at once, the abort wins whichever comes first', () => {
  for (const verbs of [
    ['promote', 'abort'],
    ['abort', 'promote'],
  ] as const) {
    const world = at30()
    const { id } = world.running()
    for (const verb of verbs) world.ask(verb === 'abort' ? { verb } : { verb, full: true })
    world.settle()
    expect(world.find(id)).toMatchObject({ state: 'Aborted', weight: 0 })
    expect(world.split()).toEqual({ blue: 100 })
  }
})

test('rollouts that have ended are forgotten, the oldest first', () => {
  const world = new RollingWorld()
  for (let i = 0; i < 25; i++) {
    world.begin({ steps: STEPS })
    world.ask({ verb: 'abort' })
    world.settle()
  }
  const kept = rolloutsOf(world.state, 'shop')
  expect(kept.length).toBeLessThanOrEqual(20)
  expect(kept.at(-1)?.startedMs).toBeGreaterThan(kept[0]?.startedMs as number)
})

const commands: fc.Arbitrary<Command> = fc.oneof(
  fc.constantFrom(...CHANGES.map(([, command]) => command)),
  fc.constantFrom<Command>(
    { kind: 'switch', service: 'shop' },
    { kind: 'freeze', service: 'shop', freeze: FREEZE },
    { kind: 'freeze', service: 'shop', freeze: null },
    { kind: 'server', server: 'blue1', state: 'drain' },
    { kind: 'server', server: 'blue1', state: 'ready' },
    { kind: 'define', service: 'shop', definition: definitionOf({ blue: 2, green: 2 }), action: 'update' },
  ),
)
const verbs: fc.Arbitrary<RolloutVerb> = fc.constantFrom<RolloutVerb>(
  ...(['pause', 'resume', 'skip', 'back', 'abort', 'retry'] as const).map((verb) => ({ verb })),
  { verb: 'promote', full: true },
  { verb: 'setWeight', percent: 12.34 },
)
const histories = fc.array(
  fc.record({
    what: fc.oneof(
      commands.map((command) => ({ command })),
      verbs.map((verb) => ({ verb })),
      fc.record({ replace: fc.boolean() }),
      fc.constantFrom({ settle: true }, { deploy: true }),
    ),
    force: fc.boolean(),
  }),
  { maxLength: 40, size: 'max' },
)

test('whatever is decided, a service has at most one rollout that has not ended, and its split is that of the rollout', () => {
  fc.assert(
    fc.property(histories, (history) => {
      const world = new RollingWorld()
      for (const { what, force } of history) {
        const request = force ? FORCED : PLAIN
        const before = rolloutsOf(world.state, 'shop').filter(hasEnded)
        if ('command' in what) world.run(what.command, request)
        else if ('verb' in what) world.ask(what.verb, request)
        else if ('replace' in what) world.start({ steps: STEPS }, what, request)
        else if ('deploy' in what) world.deploy(request)
        else world.settle()
        for (const rollout of before) expect([rollout, null]).toContainEqual(world.find(rollout.id))
        const running = rolloutsOf(world.state, 'shop').filter((each) => !hasEnded(each))
        expect(running.length).toBeLessThanOrEqual(1)
        const [rollout] = running
        const service = world.state.services.shop
        expect(service?.rollout?.id).toBe(
          rollout === undefined || rollout.state === 'Aborting' ? undefined : rollout.id,
        )
        if (rollout === undefined) continue
        const { from, to, weight } = rollout
        expect(world.split()).toEqual(
          weight === 0 ? { [from]: 100 } : weight === 100 ? { [to]: 100 } : { [from]: 100 - weight, [to]: weight },
        )
      }
    }),
    { numRuns: 200 },
  )
})
