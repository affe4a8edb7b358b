import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ask, endAll, logged, speaking, startCutover } from '../proxy/support.ts'
import type { Cutover } from '../support/cutover.ts'
import { startTraced, type Traced } from './support.ts'

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const PARENT = '00f067aa0ba902b7'
const REQUESTS = 400

let server: Awaited<ReturnType<typeof speaking>>
/** Records a quarter of the traces that begin here, and trusts nobody. */
let quarter: Traced
/** Records none of the traces that begin here, and trusts its clients. */
let following: Traced

beforeAll(async () => {
  server = await speaking(() => 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n')
  const sketches = { app: { servers: [server] } }
  quarter = await startTraced(sketches, {}, 0.25)
  following = await startTraced(sketches, { proxy: { trustedProxies: ['127.0.0.1/32'] } }, 0)
})

afterAll(endAll)

/** The traceparent that the server got with the request for this path. */
async function seen(cutover: Cutover, path: string, ...fields: string[]): Promise<string> {
  await ask(cutover, [`GET ${path} HTTP/1.1`, 'host: app.test', ...fields])
  const request = server.requests.findLast(({ startLine }) => startLine.includes(` ${path} `))
  return request?.field('traceparent') ?? ''
}

describe('of the traces that begin here', () => {
  test('the given share is recorded, by the random bits of the trace, and the servers are told which', async () => {
    const parents: string[] = []
    for (let i = 0; i < REQUESTS; i++) parents.push(await seen(quarter.cutover, `/share/${i}`))
    const sampled = parents.filter((parent) => parent.endsWith('-01')).map((parent) => parent.slice(3, 35))
    const { receiver } = quarter
    const recorded = () => receiver.spans.filter(({ kind }) => kind === 'server').map(({ traceId }) => traceId)
    await receiver.until(() => recorded().length >= sampled.length)
    expect(recorded().toSorted()).toEqual(sampled.toSorted())
    // 100 of 400 are expected, with a standard deviation of 9.
    expect(sampled.length).toBeGreaterThan(50)
    expect(sampled.length).toBeLessThan(150)
    // The last 56 bits of the id are at least 1 - 0.25 of their range, and those of the others less.
    for (const parent of parents) {
      const random = Number.parseInt(parent.slice(21, 29), 16) / 2 ** 32
      expect([parent, random >= 0.75]).toEqual([parent, parent.endsWith('-01')])
    }
  })

  test('none is recorded because an untrusted client says so', async () => {
    const marked = `traceparent: 00-${TRACE}-${PARENT}-01`
    const parents = []
    for (let i = 0; i < 40; i++) parents.push(await seen(quarter.cutover, `/claimed/${i}`, marked))
    expect(parents.filter((parent) => parent.includes(TRACE))).toEqual([])
    // Each is recorded by chance; all 40 are with a probability of 1e-24.
    expect(parents.some((parent) => parent.endsWith('-00'))).toBe(true)
  })
})

describe('a trace of a trusted proxy', () => {
  test('that is recorded goes on, with its state, below the span of the proxy', async () => {
    const fields = [`traceparent: 00-${TRACE}-${PARENT}-01`, 'tracestate: a=1', 'tracestate: b=2']
    const parent = await seen(following.cutover, '/followed', ...fields)
    const { request, tries } = await following.receiver.trace('/followed')
    expect(request).toMatchObject({ traceId: TRACE, parentSpanId: PARENT, traceState: 'a=1,b=2' })
    expect(tries).toMatchObject([{ traceId: TRACE, parentSpanId: request.spanId, traceState: 'a=1,b=2' }])
    expect(parent).toBe(`00-${TRACE}-${tries[0]?.spanId}-01`)
  })

  test('keeps its other flags', async () => {
    const parent = await seen(following.cutover, '/random-flag', `traceparent: 00-${TRACE}-${PARENT}-03`)
    const { tries } = await following.receiver.trace('/random-flag')
    expect(parent).toBe(`00-${TRACE}-${tries[0]?.spanId}-03`)
  })

  test('that is not recorded there is not recorded here, nor is one that begins here', async () => {
    const fields = [`traceparent: 00-${TRACE}-${PARENT}-00`]
    expect(await seen(following.cutover, '/unmarked', ...fields)).toMatch(new RegExp(`^00-${TRACE}-.{16}-00$`))
    expect(await seen(following.cutover, '/begun')).toMatch(/-00$/)
    await seen(following.cutover, '/last', `traceparent: 00-${TRACE}-${PARENT}-01`)
    await following.receiver.trace('/last')
    for (const path of ['/unmarked', '/begun']) expect(following.receiver.find(path)).toBeNull()
  })

  test('is that of a refused request as well', async () => {
    await ask(following.cutover, ['GET /refused HTTP/1.1', 'host: nobody', `traceparent: 00-${TRACE}-${PARENT}-01`])
    const { request } = await following.receiver.trace('/refused')
    expect(request).toMatchObject({ traceId: TRACE, parentSpanId: PARENT })
  })
})

test('without tracing, traces are marked by proxy.forwarding.traceSample, and no refused request has one', async () => {
  const cutover = await startCutover({ app: { servers: [server] } }, { proxy: { forwarding: { traceSample: 0 } } })
  expect(await seen(cutover, '/off')).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/)
  await ask(cutover, ['GET /off-refused HTTP/1.1', 'host: nobody'])
  expect(await logged(cutover, '/off-refused')).toMatchObject({ status: 404, traceId: '' })
})
