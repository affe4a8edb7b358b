import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Cutover } from '../support/cutover.ts'
import { connect, endAll, logged, metric, rawUpstream, startCutover } from './support.ts'

let cutover: Cutover
/** What the server says to the next request. */
let said = ''

beforeAll(async () => {
  const server = await rawUpstream(async (connection) => {
    while ((await connection.request().catch(() => null)) !== null) connection.send(said)
  })
  cutover = await startCutover({ app: { servers: [server], retry: { attempts: 1 }, timeouts: { response: '300ms' } } })
})

afterAll(endAll)

const OK = 'HTTP/1.1 200 OK\r\n'
const FINE = `${OK}content-length: 4\r\n\r\nfine`

/** Answers to what the server said, and then to a fine answer on the same client connection, if it is still open. */
async function statuses(nonsense: string, target: string, method = 'GET'): Promise<readonly (number | string)[]> {
  const client = await connect(cutover)
  said = nonsense
  const first = await client.ask([`${method} ${target} HTTP/1.1`, 'host: app.test'])
  said = FINE
  const second = await client.ask([`GET ${target} HTTP/1.1`, 'host: app.test']).catch(() => null)
  client.destroy()
  return [first.status, second?.status ?? 'closed', second?.text ?? '']
}

describe('W3 nonsense from a server is a 502, and no more than that', () => {
  test.each([
    ['no HTTP at all', 'SSH-2.0-OpenSSH_9.6\r\n'],
    ['a status line that is garbage', 'HTTP/1.1 abc OK\r\n\r\n'],
    ['a status of two digits', 'HTTP/1.1 20 OK\r\n\r\n'],
    ['a status of four digits', 'HTTP/1.1 2000 OK\r\n\r\n'],
    ['a version that does not exist', 'HTTP/9.9 200 OK\r\ncontent-length: 0\r\n\r\n'],
    ['status 000', 'HTTP/1.1 000 Zero\r\ncontent-length: 0\r\n\r\n'],
    ['status 099', 'HTTP/1.1 099 Low\r\ncontent-length: 0\r\n\r\n'],
    ['two lengths', `${OK}content-length: 2\r\ncontent-length: 3\r\n\r\nabc`],
    ['length and chunked', `${OK}content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`],
    ['a length that is none', `${OK}content-length: many\r\n\r\nabc`],
    ['a space in a name', `${OK}x a: 1\r\ncontent-length: 0\r\n\r\n`],
    ['a NUL in a name', `${OK}x\0a: 1\r\ncontent-length: 0\r\n\r\n`],
    ['a NUL in a value', `${OK}x-a: 1\0 2\r\ncontent-length: 0\r\n\r\n`],
    ['a control byte in a value', `${OK}x-a: 1\x01 2\r\ncontent-length: 0\r\n\r\n`],
    ['a DEL in a value', `${OK}x-a: 1\x7f2\r\ncontent-length: 0\r\n\r\n`],
    ['a bare CR in a value', `${OK}x-a: 1\r2\r\ncontent-length: 0\r\n\r\n`],
    ['bytes in a name that are not ASCII', `${OK}x-\xe9: 1\r\ncontent-length: 0\r\n\r\n`],
    ['a line without a colon', `${OK}nonsense\r\ncontent-length: 0\r\n\r\n`],
    ['headers beyond all limits', `${OK}x-a: ${'x'.repeat(200_000)}\r\n\r\n`],
    [
      'an upgrade that nobody asked for',
      'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n',
    ],
    ['an upgrade that names no protocol', 'HTTP/1.1 101 Switching Protocols\r\n\r\n'],
    ['an unknown transfer coding', `${OK}transfer-encoding: gzip\r\n\r\nabc`],
  ])('%s', async (what, nonsense) => {
    const target = `/${what.replace(/\W/g, '-')}`
    expect(await statuses(nonsense, target)).toEqual([502, 200, 'fine'])
    expect(await logged(cutover, target)).toMatchObject({ status: 502, attempts: 1 })
  })
})

describe('what is odd, but clear, passes', () => {
  test.each([
    ['a Trailer announced with a length', `${OK}trailer: expires\r\ncontent-length: 4\r\n\r\nfine`],
    [
      'a Trailer announced for chunks',
      `${OK}trailer: x\r\ntransfer-encoding: chunked\r\n\r\n4\r\nfine\r\n0\r\nx: 1\r\n\r\n`,
    ],
    ['the same field a hundred times', `${OK}${'x-a: 1\r\n'.repeat(100)}content-length: 4\r\n\r\nfine`],
    ['a Date that is none', `${OK}date: yesterday\r\ncontent-length: 4\r\n\r\nfine`],
    ['names in capitals', `${OK}CONTENT-LENGTH: 4\r\n\r\nfine`],
    ['chunk extensions', `${OK}transfer-encoding: chunked\r\n\r\n4;a=b\r\nfine\r\n0\r\n\r\n`],
    ['a length with zeros in front', `${OK}content-length: 0004\r\n\r\nfine`],
  ])('%s', async (what, odd) => {
    expect(await statuses(odd, `/${what.replace(/\W/g, '-')}`)).toEqual([200, 200, 'fine'])
  })
})

test('bytes behind the end of a response reach nobody', async () => {
  for (let i = 0; i < 5; i++) {
    expect(await statuses(`${FINE}HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nforged`, `/extra${i}`)).toEqual([
      200,
      200,
      'fine',
    ])
  }
  expect(await statuses(`HTTP/1.1 304 Not Modified\r\ncontent-length: 6\r\n\r\nforged`, '/extra304')).toEqual([
    304,
    200,
    'fine',
  ])
  expect(
    await statuses(`${OK}connection: keep-alive\r\ncontent-length: 6\r\n\r\nforged`, '/extra-head', 'HEAD'),
  ).toEqual([200, 200, 'fine'])
})

test('nothing of it has left a trace', async () => {
  expect(cutover.process.exitCode).toBe(null)
  expect(cutover.stderr).not.toContain('unexpected error')
  expect(await metric(cutover, 'cutover_requests_in_flight')).toBe(0)
})
