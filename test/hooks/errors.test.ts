import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { logged } from '../proxy/support.ts'
import { HookedShop } from './support.ts'

let failing: HookedShop
let ignoring: HookedShop
beforeAll(async () => {
  failing = await HookedShop.start({ proxy: { hookTimeout: '200ms' } })
  ignoring = await HookedShop.start({ proxy: { hookTimeout: '200ms', hookErrors: 'ignore' } })
})
afterAll(() => Promise.all([failing.stop(), ignoring.stop()]))

/** Hooks that fail, each with what the log says. */
const CASES: Readonly<Record<string, readonly [hooks: string, hook: string, error: RegExp]>> = {
  'request throws': ['request() { throw new Error("broken") }', 'request', /^Error: broken$/],
  'request throws no error': ['request() { throw "text" }', 'request', /^threw text$/],
  'request throws what cannot be shown': ['request() { throw Object.create(null) }', 'request', /^threw an object$/],
  'response throws what cannot be shown': [
    'response() { throw Object.defineProperty(new Error(), "message", { get() { throw 1 } }) }',
    'response',
    /^threw an object$/,
  ],
  'request returns what cannot be looked at': [
    'request() { const { proxy, revoke } = Proxy.revocable({}, {}); revoke(); return proxy }',
    'request',
    /^TypeError/,
  ],
  'request rejects': ['async request() { throw new Error("late") }', 'request', /^Error: late$/],
  'request takes too long': ['request() { return new Promise(() => {}) }', 'request', /longer than 200 ms/],
  'request returns a number': ['request() { return 503 }', 'request', /not a number/],
  'request resolves with text': ['async request() { return "no" }', 'request', /not a string/],
  'status 99': ['request() { return { status: 99 } }', 'request', /from 200 to 599, not 99/],
  'status 1.5': ['request() { return { status: 200.5 } }', 'request', /from 200 to 599/],
  'no status': ['request() { return { body: "x" } }', 'request', /not undefined/],
  'body of a wrong type': [
    'request() { return { status: 200, body: { a: 1 } } }',
    'request',
    /text or bytes.*an object/,
  ],
  'body of a 204': ['request() { return { status: 204, body: "x" } }', 'request', /204 has no body/],
  'header with a line end': [
    'request() { return { status: 200, headers: { "x-a": "1\\r\\nx-b: 2" } } }',
    'request',
    /line end/,
  ],
  'header that is a number': [
    'request() { return { status: 200, headers: { "x-a": 1 } } }',
    'request',
    /must be text, not number/,
  ],
  'headers in a list': [
    'request() { return { status: 200, headers: [["x-a", "1"]] } }',
    'request',
    /headers must be an object of names and values, not a list/,
  ],
  'headers in a class of their own': [
    'request() { return { status: 200, headers: new Headers({ "x-a": "1" }) } }',
    'request',
    /headers must be an object of names and values, not an object of Headers/,
  ],
  'framing in an answer': [
    'request() { return { status: 200, headers: { "Content-Length": "9" } } }',
    'request',
    /cannot be changed/,
  ],
  'setHeader with a line end': [
    'request(r) { r.setHeader("x-a", "1\\nx-b: 2") }',
    'request',
    /the value of x-a has a line end/,
  ],
  'setHeader with U+010D, sent as a carriage return': [
    'request(r) { r.setHeader("x-a", "\\u010d") }',
    'request',
    /line end/,
  ],
  'setHeader of a bad name': ['request(r) { r.setHeader("x a", "1") }', 'request', /is not the name/],
  'setHeader of the framing': [
    'request(r) { r.setHeader("Transfer_Encoding", "chunked") }',
    'request',
    /cannot be changed/,
  ],
  'setHeader of Via': ['request(r) { r.setHeader("via", "x") }', 'request', /cannot be changed/],
  'setPath without a slash': ['request(r) { r.setPath("x") }', 'request', /begin with a slash/],
  'setPath with a line end': ['request(r) { r.setPath("/ HTTP/1.1\\r\\nHost: y") }', 'request', /begin with a slash/],
  'setPath too late': ['choosePool(r) { r.setPath("/late") }', 'choosePool', /only be called in request/],
  'choosePool throws': ['choosePool() { null.x }', 'choosePool', /^TypeError: Cannot read/],
  'choosePool returns a promise': [
    'choosePool() { return Promise.reject(new Error("x")) }',
    'choosePool',
    /returned a promise/,
  ],
  'an unknown pool': ['choosePool() { return "grene" }', 'choosePool', /"grene"; these get requests.*: blue, green/],
  'null for a pool': ['choosePool() { return null }', 'choosePool', /not null/],
  'upstreamRequest throws': [
    'upstreamRequest(r, h) { h.set("x-half", "1"); throw new Error("up") }',
    'upstreamRequest',
    /^Error: up$/,
  ],
  'upstreamRequest sets framing': [
    'upstreamRequest(r, h) { h.set("content-length", "1") }',
    'upstreamRequest',
    /cannot be changed/,
  ],
  'upstreamRequest removes Via': ['upstreamRequest(r, h) { h.remove("Via") }', 'upstreamRequest', /cannot be changed/],
  'upstreamRequest returns something': ['upstreamRequest() { return {} }', 'upstreamRequest', /must return nothing/],
  'response throws': [
    'response(r, h) { h.set("x-half", "1"); h.status = 201; throw new Error("down") }',
    'response',
    /^Error: down$/,
  ],
  'response sets status 304': ['response(r, h) { h.status = 304 }', 'response', /from 200 to 304/],
  'response sets status 101': ['response(r, h) { h.status = 101 }', 'response', /from 200 to 599/],
  'response adds a line end': ['response(r, h) { h.add("x-a", "\\r\\n\\r\\n<html>") }', 'response', /line end/],
  'response returns a promise': ['response() { return Promise.resolve() }', 'response', /returned a promise/],
}

describe.for(Object.entries(CASES))('%s', ([name, [hooks, hook, error]]) => {
  const path = `/${name.replaceAll(/[^a-z0-9]/gi, '-')}`

  test('fails this request with 500, counted and logged with its place', async () => {
    await failing.use(`\n\n${hooks}`)
    const before = await failing.metric('cutover_hook_errors_total', `hook="${hook}"`)
    const logs = failing.failures().length
    const response = await failing.ask(path)
    expect([response.status, await response.text()]).toEqual([500, '500 The proxy failed.\n'])
    expect(response.headers.get('proxy-status')).toBe('cutover; error=hook_failed')
    expect(response.headers.get('x-half')).toBeNull()
    expect(await logged(failing.cutover, path)).toMatchObject({ status: 500, error: 'hook_failed', service: 'shop' })
    expect(await failing.metric('cutover_hook_errors_total', `hook="${hook}"`)).toBe(before + 1)
    expect(failing.failures().slice(logs)).toEqual([
      expect.objectContaining({
        hook,
        service: 'shop',
        place: `${failing.folder}/hooks.ts:3`,
        error: expect.stringMatching(error),
      }),
    ])
    // The process and the connection go on.
    await failing.use('')
    expect(await failing.whoAnswers()).toBe('blue1')
  })

  test('hookErrors: ignore passes it over, with none of its changes', async () => {
    await ignoring.use(`\n\n${hooks}`)
    const before = await ignoring.metric('cutover_hook_errors_total', `hook="${hook}"`)
    const response = await ignoring.ask(path)
    expect([response.status, await response.text()]).toEqual([200, 'blue1'])
    expect(response.headers.get('x-half')).toBeNull()
    const { url, headers } = ignoring.blue.requests.at(-1) ?? {}
    expect([url, headers?.['x-a'], headers?.['x-half'], headers?.via]).toEqual([
      path,
      undefined,
      undefined,
      '1.1 cutover',
    ])
    expect(await ignoring.metric('cutover_hook_errors_total', `hook="${hook}"`)).toBe(before + 1)
  })
})

test('an error in log is counted, and the line is written with the tags before it', async () => {
  await failing.use('request(r) { r.tag("a", 1) }, log(r, fields) { fields.b = {} }')
  expect(await failing.whoAnswers('/log-fails')).toBe('blue1')
  expect(await logged(failing.cutover, '/log-fails')).toMatchObject({ status: 200, tags: { a: 1 } })
  expect(await failing.metric('cutover_hook_errors_total', 'hook="log"')).toBe(1)
})

test('a request has 32 tags at most, whoever adds them', async () => {
  const many = 'try { for (let i = 0; i < 40; i++) add("t" + i) } catch {}'
  await failing.use(`request(r) { const add = (name) => r.tag(name); ${many}; ${many} },
    log(r, fields) { const add = (name) => { fields["log" + name] = 1 }; if (r.path === '/more-tags') { ${many} } }`)
  for (const path of ['/many-tags', '/more-tags']) {
    expect(await failing.whoAnswers(path)).toBe('blue1')
    const { tags } = (await logged(failing.cutover, path)) as { tags: Record<string, unknown> }
    expect(Object.keys(tags)).toEqual(Array.from({ length: 32 }, (_, i) => `t${i}`))
  }
  expect(failing.failures().at(-1)).toMatchObject({ hook: 'log', error: 'RangeError: a request may have 32 tags' })
})

test('a hook that fails often is logged once a second', async () => {
  await failing.use('request() { throw new Error("often") }')
  const logs = failing.failures().length
  const before = await failing.metric('cutover_hook_errors_total', 'hook="request"')
  for (let i = 0; i < 50; i++) expect(await failing.whoAnswers()).toBe('500')
  expect(await failing.metric('cutover_hook_errors_total', 'hook="request"')).toBe(before + 50)
  const lines = failing.failures().slice(logs)
  expect(lines.length).toBeLessThan(10)
  expect(lines[0]).toMatchObject({ error: 'Error: often' })
})

test('errors outside of any request do not end the process', async () => {
  await failing.use(`request(r) {
    if (r.path === '/later') setTimeout(() => { throw new Error('outside') }, 1)
    if (r.path === '/rejects') Promise.reject(new Error('unheard'))
  }`)
  expect(await failing.whoAnswers('/later')).toBe('blue1')
  expect(await failing.whoAnswers('/rejects')).toBe('blue1')
  expect(await failing.whoAnswers()).toBe('blue1')
  expect(failing.cutover.process.exitCode).toBeNull()
})
