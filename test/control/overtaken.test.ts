import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { checkService } from '../../src/config/check-service.ts'
import { Control } from '../../src/control/control.ts'
import { defineService } from '../../src/control/definitions.ts'
import type { Command } from '../../src/model/commands.ts'
import { EmbeddedStore } from '../../src/store/embedded/embedded-store.ts'

const REQUEST = { by: 'test', reason: null, force: false, ifMatch: null }

async function startControl(): Promise<Control> {
  const folder = await mkdtemp(join(tmpdir(), 'cutover-overtaken-'))
  const store = new EmbeddedStore({ path: folder })
  const control = new Control({ store, resolve: checkService })
  onTestFinished(async () => {
    control.stop()
    await store.close()
    await rm(folder, { recursive: true })
  })
  await control.start()
  const pools = { blue: { servers: { b: 'http://127.0.0.1:1' } }, green: { servers: { g: 'http://127.0.0.1:2' } } }
  await control.execute(defineService('shop', { pools, split: { blue: 100 }, health: 'off' }), REQUEST)
  return control
}

const splitOf = (control: Control) => control.state.services.shop?.decisions.at(-1)?.split

test.each<Command>([
  { kind: 'switch', service: 'shop' },
  { kind: 'rollback', service: 'shop' },
])('of two concurrent %j one is carried out; the other is refused instead of undoing it', async (command) => {
  const control = await startControl()
  await control.execute(() => ({ command: { kind: 'switch', service: 'shop', to: 'green' } }), REQUEST)
  const both = await Promise.all([1, 2].map(() => control.execute(() => ({ command }), REQUEST)))
  expect(both.map(({ kind }) => kind).sort()).toEqual(['done', 'refused'])
  expect(both.find(({ kind }) => kind === 'refused')).toMatchObject({ refusal: { kind: 'conflict' } })
  expect(splitOf(control)).toEqual({ blue: 100 })
})

test('of two concurrent switches to named pools, the later one is decided again and wins', async () => {
  const control = await startControl()
  const switchTo = (to: string) =>
    control.execute(() => ({ command: { kind: 'switch', service: 'shop', to } }), REQUEST)
  const both = await Promise.all([switchTo('green'), switchTo('blue')])
  expect(both.map((each) => each.kind === 'done' && each.changed)).toEqual([true, expect.any(Boolean)])
  expect(both.map(({ kind }) => kind)).toEqual(['done', 'done'])
})
