import { describe, expect, test } from 'vitest'
import type { Command, Request } from '../../src/model/commands.ts'
import { decide } from '../../src/model/decide.ts'
import { type Deploy, poolOf, runningDeploy } from '../../src/model/deploys.ts'
import type { JsonObject } from '../../src/model/state.ts'
import { definitionOf, FORCED, PLAIN, resolved, up, World } from './support.ts'

const DEPLOYED = { servers: { new1: 'http://10.9.0.1:9000' } }
const KEYED: Request = { ...PLAIN, idempotency: { key: 'release-1', fingerprint: 'f' } }

function world(rest: JsonObject = {}): World {
  return new World({ shop: definitionOf({ blue: 2, green: 2 }, rest) })
}

/** A command that deploys `DEPLOYED` to green. */
function begin(shop: World, id: string, changes: Partial<Extract<Command, { kind: 'beginDeploy' }>> = {}) {
  const { source, servers } = shop.service()
  const former = { definition: poolOf(source, 'green'), split: source.split ?? null, servers }
  const deploy: Deploy = { id, pool: 'green', by: 'ann', at: 'now', instance: 'a', definition: DEPLOYED, former }
  const pools = { ...(source.pools as JsonObject), green: DEPLOYED }
  const definition = resolved({ ...source, pools })
  return { kind: 'beginDeploy' as const, service: 'shop', definition, deploy, replace: false, ...changes }
}

const finish = (id: string, drainMs?: number): Command => ({
  kind: 'finishDeploy',
  service: 'shop',
  id,
  ...(drainMs === undefined ? {} : { drainMs }),
})
const refusal = (shop: World, command: Command, request: Request = PLAIN) =>
  decide(shop.state, command, request, shop.facts)

describe('a deploy', () => {
  test('leaves the split as it is until it finishes, which is one change with the end of its document', () => {
    const shop = world()
    shop.must(begin(shop, '1'))
    expect([shop.split(), runningDeploy(shop.state, 'shop')?.id]).toEqual([{ blue: 100 }, '1'])
    const { collections, history } = shop.must(finish('1', 5_000))
    expect(collections).toEqual({ deploys: { shop: null } })
    expect(history).toMatchObject([{ action: 'finish deploy', from: { blue: 100 }, to: { green: 100 } }])
    expect([shop.split(), runningDeploy(shop.state, 'shop')]).toEqual([{ green: 100 }, null])
    expect(Object.keys(shop.service().poolCuts)).toEqual(['blue'])
  })

  test('that is abandoned leaves definition, decisions and states of servers as they were', () => {
    const shop = world()
    shop.must({ kind: 'server', server: 'green1', state: 'maint' })
    shop.must({ kind: 'server', server: 'green2', weight: 7 })
    const { revision: _, ...before } = shop.service()
    shop.must(begin(shop, '1'))
    expect(shop.service().servers).toEqual({})
    const definition = resolved(before.source)
    shop.must({ kind: 'abandonDeploy', service: 'shop', id: '1', definition })
    const { revision: __, ...after } = shop.service()
    expect(after).toEqual(before)
    expect(shop.state.collections).toBeUndefined()
  })

  test('is remembered by its Idempotency-Key only once it has finished', () => {
    const shop = world()
    expect(shop.must(begin(shop, '1'), KEYED).keyed).toBeUndefined()
    const { revision } = shop.must(finish('1'), KEYED)
    expect(refusal(shop, begin(shop, '2'), KEYED)).toEqual({ kind: 'repeated', revision })
  })

  test('is finished and abandoned only under its own id, and only once', () => {
    const shop = world()
    shop.must(begin(shop, '1'))
    shop.must(begin(shop, '2', { replace: true }))
    const abandon: Command = { kind: 'abandonDeploy', service: 'shop', id: '1', definition: null }
    for (const command of [finish('1'), abandon])
      expect(refusal(shop, command)).toMatchObject({
        refusal: { kind: 'conflict', detail: expect.stringContaining('has ended') },
      })
    shop.must(finish('2'))
    expect(refusal(shop, finish('2'))).toMatchObject({ kind: 'refused' })
  })

  test('does not finish with fewer than minReady servers up, or if its pool was changed', () => {
    const shop = world()
    shop.must(begin(shop, '1'))
    shop.facts = up('blue1')
    expect(refusal(shop, finish('1'))).toMatchObject({ refusal: { kind: 'unsafe' } })
    shop.facts = up('blue1', 'new1')
    shop.must({ kind: 'switch', service: 'shop', to: 'green' })
    expect(refusal(shop, finish('1'))).toMatchObject({ refusal: { kind: 'conflict' } })
  })

  test('is refused while another one runs, where there is traffic, and unless forced if it breaks a promise', () => {
    const shop = world({ minReady: 2 })
    const first = begin(shop, '1')
    expect(refusal(shop, first)).toMatchObject({ refusal: { kind: 'unsafe' } })
    shop.must(first, FORCED)
    expect(refusal(shop, begin(shop, '2'), FORCED)).toMatchObject({
      refusal: {
        kind: 'conflict',
        detail: expect.stringContaining('ann has been deploying shop to pool green since now'),
      },
    })
    const busy = world()
    busy.must({ kind: 'shift', service: 'shop', to: 'green', percent: 1 })
    expect(refusal(busy, begin(busy, '1'), FORCED)).toMatchObject({
      refusal: { kind: 'conflict', detail: expect.stringContaining('Pool green has 1 % of the traffic') },
    })
  })

  test('of a service that was removed ends without a trace', () => {
    const shop = world()
    shop.must(begin(shop, '1'))
    shop.must({ kind: 'remove', service: 'shop' }, FORCED)
    const { history } = shop.must({ kind: 'abandonDeploy', service: 'shop', id: '1', definition: null })
    expect([history, shop.state.collections]).toEqual([[], undefined])
  })
})
