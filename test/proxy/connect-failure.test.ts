import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Cutover } from '../support/cutover.ts'
import { binary, inChunks } from '../support/raw-client.ts'
import { freePort } from '../support/upstream.ts'
import { ask, endAll, logged, metric, type Sketch, speaking, startCutover } from './support.ts'

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'
const SIZES: readonly (readonly [string, number])[] = [
  ['0 B', 0],
  ['1 B', 1],
  ['64 KiB', 64 * 1024],
  ['5 MiB', 5 * 1024 * 1024],
]

let cutover: Cutover
let alive: Awaited<ReturnType<typeof speaking>>

beforeAll(async () => {
  alive = await speaking(() => OK)
  const refusing = { port: await freePort() }
  // Of two that weigh the same, smooth round robin begins with the first; a service each, as a refusal is remembered.
  const sketches: Record<string, Sketch> = {}
  for (let i = 0; i < 2 * SIZES.length + 3; i++) sketches[`s${i}`] = { servers: [refusing, alive] }
  sketches.none = { servers: [refusing, { port: await freePort() }] }
  sketches.once = { servers: [refusing, alive], retry: { attempts: 1 } }
  sketches.never = { servers: [refusing, alive], retry: { on: ['reset'] } }
  cutover = await startCutover(sketches)
})

afterAll(endAll)

describe('Q1 a server that refuses the connection: a POST reaches the other one whole, and once', () => {
  test.each(SIZES.map((size, i) => [...size, `s${i}`] as const))('%s, chunked', async (_size, length, service) => {
    const body = binary(length)
    const head = ['POST /chunked HTTP/1.1', `host: ${service}.test`, 'transfer-encoding: chunked']
    const response = await ask(cutover, head, inChunks(body, 70_000))
    expect([response.status, response.text]).toEqual([200, 'ok'])
    const got = alive.requests.filter(({ fields }) => fields.some(([, value]) => value === `${service}.test`))
    expect(got.map((request) => [request.startLine, request.body.equals(body)])).toEqual([
      ['POST /chunked HTTP/1.1', true],
    ])
  })

  test.each(SIZES.map((size, i) => [...size, `s${i + SIZES.length}`] as const))(
    '%s, with its length',
    async (_size, length, service) => {
      const body = binary(length)
      const head = ['POST /length HTTP/1.1', `host: ${service}.test`, `content-length: ${length}`]
      expect((await ask(cutover, head, body)).status).toBe(200)
      const got = alive.requests.filter(({ fields }) => fields.some(([, value]) => value === `${service}.test`))
      expect(got.map((request) => [request.field('content-length'), request.body.equals(body)])).toEqual([
        [String(length), true],
      ])
    },
  )
})

test('it counts as a retry, and as a second attempt in the log', async () => {
  const service = `s${2 * SIZES.length}`
  expect((await ask(cutover, ['POST /counted HTTP/1.1', `host: ${service}.test`])).status).toBe(200)
  expect(await logged(cutover, '/counted')).toMatchObject({ status: 200, attempts: 2, server: 'b' })
  expect(await metric(cutover, 'cutover_retries_total', `service="${service}",reason="connection_refused"`)).toBe(1)
})

test('a server that has just refused is not asked again while there is another', async () => {
  const host = `host: s${2 * SIZES.length + 1}.test`
  for (const path of ['/first', '/second', '/third', '/fourth']) await ask(cutover, [`GET ${path} HTTP/1.1`, host])
  expect((await logged(cutover, '/first')).attempts).toBe(2)
  for (const path of ['/second', '/third', '/fourth']) expect((await logged(cutover, path)).attempts).toBe(1)
})

test('all refuse: 502, after the attempts allowed', async () => {
  expect((await ask(cutover, ['GET /none HTTP/1.1', 'host: none.test'])).status).toBe(502)
  expect(await logged(cutover, '/none')).toMatchObject({ status: 502, attempts: 2, error: 'connection_refused' })
})

test.each(['once', 'never'])('retries switched off: 502 (%s)', async (service) => {
  expect((await ask(cutover, [`GET /${service} HTTP/1.1`, `host: ${service}.test`])).status).toBe(502)
  expect(await logged(cutover, `/${service}`)).toMatchObject({ attempts: 1, server: 'a' })
})
