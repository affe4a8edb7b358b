import { text } from 'node:stream/consumers'
import { afterAll, describe, expect, test } from 'vitest'
import type { Handler, Upstream } from '../support/upstream.ts'
import { ask, connect, endAll, logged, startCutover, upstream } from './support.ts'

afterAll(endAll)

const HOST = 'Host: app.test'

/** Takes a request's body, then does as told. */
const after =
  (act: (...args: Parameters<Handler>) => void): Handler =>
  async (request, response, recorded) => {
    recorded.body = await text(request)
    act(request, response, recorded)
  }

const kills = after((request) => request.socket.resetAndDestroy())
const says = (status: number, fields: Record<string, string> = {}) =>
  after((_request, response) => {
    response.writeHead(status, fields).end(String(status))
  })

/** A Cutover in front of these servers, asked in turn; nobody is ejected. */
async function between(servers: readonly Upstream[], retry: object = {}) {
  return startCutover({ app: { servers, retry, passive: { maxFails: 0 } } })
}

const asked = (...servers: readonly Upstream[]) => servers.map(({ requests }) => requests.length)

describe('Q4 statuses', () => {
  test('the answer that is given up leaves nothing of itself', async () => {
    const [a, b] = [await upstream(says(503, { 'x-a': '1' })), await upstream(says(200, { 'x-b': '1' }))]
    const answer = await ask(await between([a, b], { statuses: [503] }), ['GET / HTTP/1.1', HOST])
    expect([answer.status, answer.text, answer.field('x-a'), answer.field('x-b')]).toEqual([200, '200', undefined, '1'])
    expect(asked(a, b)).toEqual([1, 1])
  })

  test('every server sees one request: the same id and trace, and the log has them', async () => {
    const [a, b] = [await upstream(says(503)), await upstream(says(200))]
    const cutover = await between([a, b], { statuses: [503] })
    await ask(cutover, ['GET /again HTTP/1.1', HOST])
    const [first, second] = [a, b].map(({ requests }) => requests[0]?.headers ?? {})
    expect(first?.traceparent).toMatch(/^00-/)
    for (const name of ['traceparent', 'x-request-id']) expect(second?.[name]).toBe(first?.[name])
    const trace = String(first?.traceparent).slice(3, 35)
    expect(await logged(cutover, '/again')).toMatchObject({ attempts: 2, traceId: trace })
  })

  test('with the tries used up, the server’s own answer stands', async () => {
    const [a, b] = [await upstream(says(503, { 'x-a': '1' })), await upstream(says(502, { 'x-b': '1' }))]
    const answer = await ask(await between([a, b], { statuses: [502, 503] }), ['GET / HTTP/1.1', HOST])
    expect([answer.status, answer.field('x-b')]).toEqual([502, '1'])
    expect(asked(a, b)).toEqual([1, 1])
  })

  test('where there is no other server, the answer stands', async () => {
    const only = await upstream(says(503))
    expect((await ask(await between([only], { statuses: [503] }), ['GET / HTTP/1.1', HOST])).text).toBe('503')
    expect(asked(only)).toEqual([1])
  })

  test('a POST is not sent again', async () => {
    const [a, b] = [await upstream(says(503)), await upstream(says(200))]
    const cutover = await between([a, b], { statuses: [503] })
    expect((await ask(cutover, ['POST / HTTP/1.1', HOST, 'Content-Length: 0'])).status).toBe(503)
    expect(asked(a, b)).toEqual([1, 0])
  })
})

test('with the other server at its limit, the answer stands at once', async () => {
  const failing = await upstream(says(503, { 'x-a': '1' }))
  const busy = await upstream(() => undefined)
  const sketch = { servers: [busy, failing], retry: { statuses: [503] }, passive: { maxFails: 0 } }
  const cutover = await startCutover({
    app: { ...sketch, connections: { perServer: 1 }, timeouts: { queue: '20s' } },
  })
  const waiting = await connect(cutover)
  waiting.send(`GET /held HTTP/1.1\r\n${HOST}\r\n\r\n`)
  await busy.arrived(1)
  const answer = await ask(cutover, ['GET / HTTP/1.1', HOST])
  expect([answer.status, answer.text, answer.field('x-a')]).toEqual([503, '503', '1'])
  expect(asked(busy, failing)).toEqual([1, 1])
  waiting.destroy()
})

describe('Q2 a server that takes the request and breaks off', () => {
  test.each([
    ['GET', '', 200, [1, 1]],
    ['POST', 'body', 502, [1, 0]],
    ['PUT', 'body', 200, [1, 1]],
    ['PUT', 'x'.repeat(65_536), 200, [1, 1]],
    ['PUT', 'x'.repeat(65_537), 502, [1, 0]],
  ])('%s with a body of %#: %i', async (method, body, status, counts) => {
    const [a, b] = [await upstream(kills), await upstream(says(200))]
    const cutover = await between([a, b])
    const client = await connect(cutover)
    client.send(`${method} / HTTP/1.1\r\n${HOST}\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
    expect((await client.response()).status).toBe(status)
    expect(asked(a, b)).toEqual(counts)
    for (const { requests } of [a, b]) for (const request of requests) expect(request.body).toBe(body)
    client.send(`GET /next HTTP/1.1\r\n${HOST}\r\n\r\n`)
    expect((await client.response()).status).toBe(200)
    client.destroy()
  })

  test('a body that is still on its way goes whole to the next server', async () => {
    const cut = Promise.withResolvers<void>()
    const a = await upstream((request) => {
      request.once('data', () => {
        request.socket.resetAndDestroy()
        cut.resolve()
      })
    })
    const b = await upstream(says(200))
    const client = await connect(await between([a, b]))
    client.send(`PUT / HTTP/1.1\r\n${HOST}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n`)
    await cut.promise
    await b.arrived(1)
    client.send('6\r\nsecond\r\n0\r\n\r\n')
    expect((await client.response()).status).toBe(200)
    expect(b.requests.map(({ body }) => body)).toEqual(['firstsecond'])
    client.destroy()
  })
})

test('what is named in `on` is tried again: a server too slow, and one that speaks nonsense', async () => {
  const slow = await upstream(() => undefined)
  const good = await upstream(says(200))
  const sketch = { servers: [slow, good], retry: { on: ['timeout'] }, timeouts: { response: '200ms' } }
  const cutover = await startCutover({ app: { ...sketch, passive: { maxFails: 0 } } })
  expect((await ask(cutover, ['GET / HTTP/1.1', HOST])).status).toBe(200)
  expect(asked(slow, good)).toEqual([1, 1])
})

test('Q5 with all servers failing, they get at most 20 % more than the clients send, and a reserve of ten', async () => {
  const servers = [await upstream(says(500)), await upstream(says(500)), await upstream(says(500))]
  const cutover = await between(servers, { statuses: [500], attempts: 3 })
  const client = await connect(cutover)
  for (let i = 0; i < 500; i++) expect((await client.ask(['GET / HTTP/1.1', HOST])).status).toBe(500)
  client.destroy()
  const upstreamRequests = asked(...servers).reduce((sum, count) => sum + count, 0)
  expect(upstreamRequests).toBeGreaterThan(550)
  expect(upstreamRequests).toBeLessThanOrEqual(500 * 1.2 + 10)
})
