import { expect, test } from 'vitest'
import { atEnd } from '../support/endings.ts'
import { startUpstream2 } from '../support/http2.ts'
import { Load2 } from '../support/http2-load.ts'
import { brokenByLoad } from './figures.ts'
import { STREAMS } from './frontend.ts'
import { prove } from './proof.ts'

const short = { clients: 24, switches: 2, workers: 1 }

test.each([
  ['HTTP/1.1 and TLS', { tls: true, http2: false }],
  ['HTTP/2 and TLS', { tls: true, http2: true }],
])('switches over %s lose no request', async (name, protocol) => {
  const proof = await prove({ ...short, protocol })
  expect(proof.broken).toEqual([])
  expect(proof).toMatchObject({ protocol: name, requestsFailed: 0, requestsRepeated: 0, requestsSeenByDrained: 0 })
  expect(proof.requestsSent).toBeGreaterThan(2 * 24)
  expect(Object.keys(proof.answers).sort()).toEqual(['blue1', 'blue2', 'green1', 'green2'])
})

test('a killed worker takes only the streams of its connections with it', async () => {
  const proof = await prove({
    clients: 40,
    switches: 2,
    workers: 2,
    protocol: { tls: false, http2: true },
    killWorker: true,
  })
  expect(proof.broken).toEqual([])
  expect(proof.connectionsLost).toBeGreaterThan(0)
  expect(proof.requestsFailed).toBeGreaterThan(0)
  expect(proof.requestsFailed).toBeLessThanOrEqual(proof.connectionsLost * STREAMS)
})

test('one lost request among many breaks a promise', async () => {
  let requests = 0
  const server = await startUpstream2((stream) => {
    stream.resume()
    if (++requests === 50) stream.close(2)
    else {
      stream.respond({ ':status': 200 })
      stream.end('a')
    }
  })
  atEnd(() => server.close())
  const load = new Load2({ url: server.url.replace('h2c:', 'http:'), clients: 10, streams: 5, names: ['a'] })
  await load.more(100)
  const figures = await load.stop()
  expect(brokenByLoad(figures, 0, 0)).toEqual(['1 requests failed: {"reset (code 2)":1}'])
})

test('what a killed worker may cost is broken connections, and no more of them than it had streams', () => {
  const figures = { sent: 9, completed: 7, failed: 2, repeated: 0, failures: { some: 2 }, answers: {}, slowestMs: 1 }
  expect(brokenByLoad({ ...figures, brokenOff: 2 }, 2, 0)).toEqual([])
  expect(brokenByLoad({ ...figures, brokenOff: 2 }, 1, 0)).toEqual(['2 requests failed: {"some":2}'])
  expect(brokenByLoad({ ...figures, brokenOff: 1 }, 2, 0)).toEqual(['2 requests failed: {"some":2}'])
  expect(brokenByLoad({ ...figures, sent: 10, brokenOff: 2 }, 2, 3)).toEqual([
    'of 10 requests only 9 are accounted for',
    'drained servers saw 3 requests',
  ])
})
