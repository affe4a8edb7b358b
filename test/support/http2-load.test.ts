import { expect, test } from 'vitest'
import { atEnd } from './endings.ts'
import { startUpstream2 } from './http2.ts'
import { Load2 } from './http2-load.ts'
import type { LoadFigures } from './load-counts.ts'
import { block, END_HEADERS, END_STREAM, FRAME, frame, type RawHttp2, startRawHttp2, uint32 } from './raw-http2.ts'
import { freePort } from './upstream.ts'

/** Sends something for the stream of a request. */
type Step = (raw: RawHttp2, stream: number) => unknown

const head = (raw: RawHttp2, stream: number, status = '200') =>
  raw.send(frame(FRAME.headers, END_HEADERS, stream, block([[':status', status]])))
const body = (raw: RawHttp2, stream: number, text: string) =>
  raw.send(frame(FRAME.data, END_STREAM, stream, Buffer.from(text)))
const answer =
  (text: string, status = '200'): Step =>
  (raw, stream) => {
    head(raw, stream, status)
    body(raw, stream, text)
  }
const reset =
  (code: number): Step =>
  (raw, stream) =>
    raw.send(frame(FRAME.reset, 0, stream, uint32(code)))
/** A GOAWAY without an error, for which requests up to `last` are processed. */
const goaway =
  (last: number): Step =>
  (raw) =>
    raw.send(frame(FRAME.goaway, 0, 0, Buffer.concat([uint32(last), uint32(0)])))
const close: Step = (raw) => raw.socket.end()
const all =
  (...steps: readonly Step[]): Step =>
  (raw, stream) => {
    for (const step of steps) step(raw, stream)
  }

interface Outcome extends LoadFigures {
  readonly connections: number
}

/** What a client with one request makes of a server that does this at the first time it is sent, at the second, and so on. */
async function outcomeOf(...steps: readonly Step[]): Promise<Outcome> {
  let arrived = 0
  const server = await startRawHttp2(async (raw) => {
    raw.send(frame(FRAME.settings, 0, 0))
    for (let i = 0; ; i++) {
      const stream = await raw.requestId(i)
      if (stream === null) return
      steps[Math.min(arrived++, steps.length - 1)]?.(raw, stream)
    }
  })
  const load = new Load2({ url: server.url, clients: 1, streams: 1, names: ['a'], requests: 1 })
  const figures = await load.done
  await server.close()
  return { ...figures, connections: load.connections }
}

const BROKEN: readonly (readonly [cause: string, step: Step])[] = [
  ['wrong body', answer('b')],
  ['status 503', answer('a', '503')],
  ['connection lost', all(head, close)],
  ['connection lost', close],
  ['connection lost', (raw) => raw.socket.resetAndDestroy()],
  ['reset (code 8)', reset(8)],
  ['reset (code 2)', all(head, reset(2))],
  // An answer has begun: the request was processed, whatever the server says.
  ['reset (code 7)', all(head, reset(7))],
  // Below the last stream of the GOAWAY it may have been processed.
  ['connection lost', all(goaway(1), close)],
  ['not processed 11 times', reset(7)],
]

test.each(BROKEN)('%s is a failure', async (cause, step) => {
  const { sent, completed, failures, brokenOff } = await outcomeOf(step)
  expect([sent, completed, failures]).toEqual([1, 0, { [cause]: 1 }])
  expect(brokenOff).toBe(cause === 'connection lost' ? 1 : 0)
})

test('a refused stream is sent again on the same connection, and counted', async () => {
  const outcome = await outcomeOf(reset(7), reset(7), answer('a'))
  expect(outcome).toMatchObject({ sent: 1, completed: 1, failed: 0, repeated: 2, connections: 1 })
})

test('a request above the last stream of a GOAWAY is sent again on another connection, and counted', async () => {
  const outcome = await outcomeOf(goaway(0), answer('a'))
  expect(outcome).toMatchObject({ sent: 1, completed: 1, failed: 0, repeated: 1, connections: 2 })
})

test('one below it is answered where it is', async () => {
  const outcome = await outcomeOf(all(goaway(1), answer('a')))
  expect(outcome).toMatchObject({ sent: 1, completed: 1, failed: 0, repeated: 0, connections: 1 })
})

test('a connection that cannot be had, or closes at once, is a request that failed', async () => {
  const port = await freePort()
  const load = new Load2({ url: `http://127.0.0.1:${port}`, clients: 1, streams: 1, names: ['a'], requests: 1 })
  expect((await load.done).failures).toEqual({ 'not connected (ECONNREFUSED)': 1 })
  const server = await startRawHttp2((raw) => raw.socket.end())
  atEnd(() => server.close())
  const other = new Load2({ url: server.url, clients: 1, streams: 1, names: ['a'], requests: 1 })
  expect((await other.done).failures).toEqual({ 'not connected (closed before its settings came)': 1 })
})

test('clients share connections, and every other one sends POST with its body', async () => {
  const server = await startUpstream2(undefined, { name: 'a' })
  atEnd(() => server.close())
  const load = new Load2({ url: server.url.replace('h2c:', 'http:'), clients: 5, streams: 2, names: ['a'] })
  await load.more(100)
  const { sent, completed, failed, repeated } = await load.stop()
  expect([sent, failed, repeated, server.requests.length]).toEqual([completed, 0, 0, sent])
  expect([load.connections, load.open]).toEqual([3, 0])
  const posts = server.requests.filter(({ method }) => method === 'POST')
  expect(posts.length).toBeGreaterThan(10)
  expect(new Set(posts.map((post) => String(post.body)))).toEqual(new Set(['order of client 1', 'order of client 3']))
})
