import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Cutover } from '../support/cutover.ts'
import type { RawMessage } from '../support/raw-client.ts'
import { ask, connect, endAll, speaking, startCutover } from './support.ts'

let cutover: Cutover
let requests: readonly RawMessage[]
const TRAILED = '4\r\nbody\r\n0\r\nx-sum: 1\r\nX-Other: 2\r\nset-cookie: a=b\r\n\r\n'

beforeAll(async () => {
  const server = await speaking((request, { socket }) => {
    const head = 'HTTP/1.1 200 OK\r\n'
    switch (request.startLine.split(' ')[1]) {
      case '/announced':
        return `${head}transfer-encoding: chunked\r\ntrailer: X-Sum\r\n\r\n${TRAILED}`
      case '/unannounced':
        return `${head}transfer-encoding: chunked\r\n\r\n${TRAILED}`
      case '/late':
        socket.write(`${head}transfer-encoding: chunked\r\n\r\n4\r\nbo`)
        setImmediate(() => socket.write(`dy\r\n0\r\nx-sum: 1\r\n\r\n`))
        return undefined
      case '/length':
        return `${head}trailer: x-sum\r\ncontent-length: 2\r\n\r\nok`
      case '/none':
        return 'HTTP/1.1 204 No Content\r\ntrailer: x-sum\r\n\r\n'
      case '/close':
        socket.end(`${head}trailer: x-sum\r\nconnection: close\r\n\r\nok`)
        return undefined
      default:
        return `${head}content-length: 2\r\n\r\nok`
    }
  })
  requests = server.requests
  const failing = await speaking((_request, { socket }) => {
    socket.destroy()
    return undefined
  })
  cutover = await startCutover({ app: { servers: [server] }, twice: { servers: [failing, server] } })
})

afterAll(endAll)

const get = (target: string, version = '1.1', method = 'GET') =>
  ask(cutover, [`${method} ${target} HTTP/${version}`, 'host: app.test'])

describe('W5 trailers of an answer', () => {
  test.each(['/announced', '/unannounced'])('reach the client: %s', async (target) => {
    const response = await get(target)
    expect([response.text, response.trailers]).toEqual([
      'body',
      [
        ['x-sum', '1'],
        ['X-Other', '2'],
      ],
    ])
    expect(response.field('trailer')).toBe(target === '/announced' ? 'X-Sum' : undefined)
  })

  test('reach it when they come after the body', async () => {
    expect((await get('/late')).trailers).toEqual([['x-sum', '1']])
  })

  test('are left out where there is no room for them', async () => {
    const old = await get('/announced', '1.0')
    expect([old.text, old.field('trailer')]).toEqual(['body', undefined])
    expect((await get('/announced', '1.1', 'HEAD')).field('trailer')).toBeUndefined()
  })

  test.each(['/length', '/none', '/close'])('a Trailer without them does no harm: %s', async (target) => {
    const response = await get(target)
    expect([response.status < 300, response.field('trailer')]).toEqual([true, undefined])
    expect((await get('/plain')).status).toBe(200)
  })
})

describe('W5 trailers of a request', () => {
  const trailed = (host: string, method: string) =>
    `${method} /up-${host}-${method} HTTP/1.1\r\nhost: ${host}.test\r\ntrailer: x-sum\r\ntransfer-encoding: chunked\r\n\r\n${TRAILED}`

  test.each(['POST', 'PUT', 'GET', 'DELETE'])('reach the server: %s', async (method) => {
    const client = await connect(cutover)
    client.send(trailed('app', method))
    expect((await client.response()).status).toBe(200)
    const request = requests.find(({ startLine }) => startLine.includes(`/up-app-${method} `))
    expect([request?.text, request?.field('trailer'), request?.field('transfer-encoding')]).toEqual([
      'body',
      'x-sum',
      'chunked',
    ])
    expect(request?.trailers).toEqual([
      ['x-sum', '1'],
      ['X-Other', '2'],
    ])
  })

  test('reach the server that the request is sent to once more', async () => {
    for (let i = 0; i < 2; i++) {
      const client = await connect(cutover)
      client.send(trailed('twice', 'PUT'))
      expect((await client.response()).status).toBe(200)
    }
    const arrived = requests.filter(({ startLine }) => startLine.includes('/up-twice-PUT '))
    expect(arrived.map(({ text, trailers }) => [text, trailers.length])).toEqual([
      ['body', 2],
      ['body', 2],
    ])
  })

  test('a Trailer on a request without chunks does no harm', async () => {
    const response = await ask(cutover, ['GET /plain HTTP/1.1', 'host: app.test', 'trailer: x-sum'])
    expect(response.status).toBe(200)
  })
})
