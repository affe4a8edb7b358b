import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ask, endAll, endWithAll, logged, upstream } from '../proxy/support.ts'
import type { Cutover } from '../support/cutover.ts'
import type { OtlpReceiver } from './otlp-receiver.ts'
import { startTraced } from './support.ts'

const HOOKS = `
let calls = 0
export default {
  request(r) {
    r.tag('user.plan', 'pro')
    if (r.path === '/answered') return { status: 418, body: 'teapot' }
    if (r.path === '/elsewhere') r.setPath('/set?by=hook')
    if (r.path === '/thrown') throw new Error('broken')
  },
  log(r, fields) {
    fields.calls = ++calls
    fields.beta = true
    fields['http.request.method'] = 'FORGED'
  },
}
`

let cutover: Cutover
let spans: OtlpReceiver

beforeAll(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'cutover-hooks-'))
  endWithAll(() => rm(folder, { recursive: true }))
  const hooks = join(folder, 'hooks.ts')
  await writeFile(hooks, HOOKS)
  const started = await startTraced({ app: { servers: [await upstream()] } }, { proxy: { hooks } })
  cutover = started.cutover
  spans = started.receiver
})

afterAll(endAll)

test('tags of hooks are attributes of the request, the same as in the access log', async () => {
  await ask(cutover, ['GET /tagged HTTP/1.1', 'host: app.test'])
  const { request, tries } = await spans.trace('/tagged')
  const { tags } = await logged(cutover, '/tagged')
  expect(tags).toEqual({ 'user.plan': 'pro', calls: 1, beta: true, 'http.request.method': 'FORGED' })
  // They stand in for nothing that Cutover says itself.
  expect(request.attributes).toMatchObject({
    'user.plan': 'pro',
    calls: 1,
    beta: true,
    'http.request.method': 'GET',
  })
  expect(tries[0]?.attributes).not.toHaveProperty('beta')
})

test('an answer of a hook has a span without a try', async () => {
  await ask(cutover, ['GET /answered HTTP/1.1', 'host: app.test'])
  const { request, tries } = await spans.trace('/answered')
  expect(request).toMatchObject({ status: 'unset', attributes: { 'http.response.status_code': 418 } })
  expect(tries).toEqual([])
})

test('a path that a hook has set is that of the try', async () => {
  await ask(cutover, ['GET /elsewhere HTTP/1.1', 'host: app.test'])
  const { request, tries } = await spans.trace('/elsewhere')
  expect(request.attributes).toMatchObject({ 'url.path': '/elsewhere' })
  expect(tries[0]?.attributes['url.full']).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/set\?by=REDACTED$/)
})

test('a hook that fails fails the request', async () => {
  await ask(cutover, ['GET /thrown HTTP/1.1', 'host: app.test'])
  const { request, tries } = await spans.trace('/thrown')
  expect(request).toMatchObject({ status: 'error', attributes: { 'error.type': 'hook_failed' } })
  expect(tries).toEqual([])
})
