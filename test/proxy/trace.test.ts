import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Cutover } from '../support/cutover.ts'
import type { RawMessage } from '../support/raw-client.ts'
import { ask, endAll, logged, speaking, startCutover } from './support.ts'

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const PARENT = '00f067aa0ba902b7'
const FRESH = /^00-([0-9a-f]{32})-([0-9a-f]{16})-01$/

let untrusting: Cutover
let trusting: Cutover
let server: Awaited<ReturnType<typeof speaking>>

beforeAll(async () => {
  server = await speaking(() => 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n')
  const sketches = { app: { servers: [server] } }
  untrusting = await startCutover(sketches, { proxy: { forwarding: { forwarded: true } } })
  trusting = await startCutover(sketches, {
    proxy: { trustedProxies: ['127.0.0.1/32'], forwarding: { traceSample: 0 } },
  })
})

afterAll(endAll)

async function seen(cutover: Cutover, target: string, ...fields: string[]): Promise<RawMessage> {
  await ask(cutover, [`GET ${target} HTTP/1.1`, 'host: app.test:81', ...fields])
  return server.requests.at(-1) as RawMessage
}

describe('traceparent', () => {
  test('begins here for everybody who is not trusted, and the log has its trace', async () => {
    const traces = new Set<string>()
    for (const claims of [[], [`traceparent: 00-${TRACE}-${PARENT}-01`, 'tracestate: a=1']]) {
      const request = await seen(untrusting, '/begun', ...claims)
      const [, trace = '', parent] = FRESH.exec(request.field('traceparent') ?? '') ?? []
      expect([trace === TRACE, parent === PARENT, request.field('tracestate')]).toEqual([false, false, undefined])
      traces.add(trace)
    }
    expect(traces.size).toBe(2)
    expect(traces).toContain((await logged(untrusting, '/begun')).traceId)
  })

  test('of a trusted proxy is gone on with, under a parent of our own', async () => {
    const state = ['tracestate: a=1', 'tracestate: b=2']
    const request = await seen(trusting, '/followed', `traceparent: 00-${TRACE}-${PARENT}-01`, ...state)
    const [, version, trace, parent, flags] =
      /^(..)-(.{32})-(.{16})-(..)$/.exec(request.field('traceparent') ?? '') ?? []
    expect([version, trace, flags, request.field('tracestate')]).toEqual(['00', TRACE, '01', 'a=1, b=2'])
    expect(parent).not.toBe(PARENT)
    expect((await logged(trusting, '/followed')).traceId).toBe(TRACE)
  })

  test('of a later version is gone on with as ours', async () => {
    const request = await seen(trusting, '/later', `traceparent: cc-${TRACE}-${PARENT}-00-what-ever`)
    expect(request.field('traceparent')).toMatch(new RegExp(`^00-${TRACE}-[0-9a-f]{16}-00$`))
  })

  test.each([
    `00-${TRACE.toUpperCase()}-${PARENT}-01`,
    `00-${'0'.repeat(32)}-${PARENT}-01`,
    `00-${TRACE}-${'0'.repeat(16)}-01`,
    `ff-${TRACE}-${PARENT}-01`,
    `00-${TRACE}-${PARENT}-01-more`,
    `00-${TRACE}-${PARENT}`,
    'nonsense',
    `00-${TRACE}-${PARENT}-01\r\ntraceparent: 00-${TRACE}-${PARENT}-01`,
  ])('that is none begins anew, without its state: %j', async (given) => {
    const request = await seen(trusting, '/none', `traceparent: ${given}`, 'tracestate: a=1')
    expect(request.field('traceparent')).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/)
    expect(request.field('traceparent')).not.toContain(TRACE)
    expect(request.field('tracestate')).toBeUndefined()
  })
})

describe('Forwarded', () => {
  test('is sent where it is asked for, whatever an untrusted client claims', async () => {
    for (const claims of [[], ['forwarded: for=203.0.113.7']]) {
      const request = await seen(untrusting, '/', ...claims)
      expect(request.field('forwarded')).toBe('for=127.0.0.1;host="app.test:81";proto=http')
    }
  })

  test('of a trusted proxy is gone on with', async () => {
    expect((await seen(trusting, '/', 'forwarded: for=203.0.113.7;proto=https')).field('forwarded')).toBe(
      'for=203.0.113.7;proto=https, for=127.0.0.1;host="app.test:81";proto=http',
    )
    expect((await seen(trusting, '/')).field('forwarded')).toBeUndefined()
  })
})

test('a request for which there is no server has its trace in the log, too', async () => {
  const cutover = await startCutover({
    none: { servers: [{ port: 1 }], health: { interval: '60s' }, retry: { attempts: 1 } },
  })
  await ask(cutover, ['GET /no-server HTTP/1.1', 'host: none.test'])
  expect((await logged(cutover, '/no-server')).traceId).toMatch(/^[0-9a-f]{32}$/)
})
