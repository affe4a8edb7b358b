import { expect, test } from 'vitest'
import { until } from '../support/until.ts'
import { send, useShop } from './support.ts'

const shop = useShop({ proxy: { workers: 1 } })
const PATH = '/api/services/shop/rollouts'

async function atGate(): Promise<string> {
  const { body } = await shop.api('POST', PATH, {
    to: 'green',
    steps: [{ pause: { name: 'qa' } }, { pause: { name: 'boss' } }],
  })
  const at = `${PATH}/${body.rollout.id}`
  await until(async () => (await shop.api('GET', at)).body.rollout.step.gate === 'qa')
  return at
}

const pathOf = (url: string): string => new URL(url).pathname
const open = (method: string, url: string) => send(shop.cutover.admin, { method, path: pathOf(url) })

test('a link approves a gate once: to look at it changes nothing', async () => {
  const at = await atGate()
  const { body: links } = await shop.api('POST', `${at}/gates/qa/links`)
  const looked = await open('GET', links.approve)
  expect([looked.status, looked.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8'])
  expect(looked.body).toContain('approve gate qa')
  expect((await shop.api('GET', at)).body.rollout.step.gate).toBe('qa')
  expect((await open('POST', links.approve)).status).toBe(200)
  await until(async () => (await shop.api('GET', at)).body.rollout.step.gate === 'boss')
  // Neither this link nor its other half is good for the next gate.
  for (const url of [links.approve, links.reject])
    for (const method of ['GET', 'POST']) expect((await open(method, url)).status).toBe(410)
  expect((await shop.api('GET', at)).body.rollout.step.gate).toBe('boss')
  const { history } = await shop.done('GET', '/api/services/shop/history')
  expect(history.some(({ by }: { by: string }) => by === 'link of local')).toBe(true)
  await shop.done('POST', `${at}/abort`)
})

test('a link rejects; one that is forged, for another gate, or too old, does nothing', async () => {
  const at = await atGate()
  expect((await shop.api('POST', `${at}/gates/boss/links`)).status).toBe(409)
  const { body: short } = await shop.api('POST', `${at}/gates/qa/links`, { expiresIn: '1s' })
  const { body: links } = await shop.api('POST', `${at}/gates/qa/links`)
  const [payload = '', signature = ''] = pathOf(links.approve).split('/').at(-1)?.split('.') ?? []
  const forged = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8'))
  const other = Buffer.from(JSON.stringify({ ...forged, untilMs: forged.untilMs + 1 })).toString('base64url')
  for (const token of [`${other}.${signature}`, payload, `${payload}.`, 'x', '%00'])
    expect([token, (await send(shop.cutover.admin, { method: 'POST', path: `/gates/${token}` })).status]).toEqual([
      token,
      410,
    ])
  await until(async () => (await open('GET', short.approve)).status === 410)
  expect((await shop.api('GET', at)).body.rollout.step.gate).toBe('qa')
  expect((await open('POST', links.reject)).status).toBe(200)
  await until(async () => (await shop.api('GET', at)).body.rollout.state === 'Aborted')
  expect((await shop.api('GET', at)).body.rollout).toMatchObject({ reason: 'GateRejected' })
})
