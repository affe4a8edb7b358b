import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Cutover } from '../support/cutover.ts'
import type { RawMessage } from '../support/raw-client.ts'
import { ask, endAll, speaking, startCutover } from './support.ts'

let cutover: Cutover
let server: Awaited<ReturnType<typeof speaking>>
let answered: string[] = []

beforeAll(async () => {
  server = await speaking(() => Buffer.from([...answered, 'content-length: 2', '', 'ok'].join('\r\n'), 'latin1'))
  cutover = await startCutover({ app: { servers: [server] } })
})

afterAll(endAll)

async function forwarded(...lines: string[]): Promise<RawMessage> {
  answered = ['HTTP/1.1 200 OK']
  const response = await ask(cutover, ['GET / HTTP/1.1', 'host: app.test', ...lines])
  expect([response.status, response.text]).toEqual([200, 'ok'])
  return server.requests.at(-1) as RawMessage
}

async function returned(statusLine: string, ...lines: string[]): Promise<RawMessage> {
  answered = [statusLine, ...lines]
  const response = await ask(cutover, ['GET / HTTP/1.1', 'host: app.test'])
  expect(response.text).toBe('ok')
  return response
}

/** Every byte that a field value may have, none of them at its ends. */
const BYTES = `<${String.fromCharCode(9, ...Array.from({ length: 95 }, (_, i) => 32 + i), ...Array.from({ length: 128 }, (_, i) => 128 + i))}>`

test('several Set-Cookie stay several, and in order', async () => {
  const cookies = ['a=1; Path=/', 'b=2, with a comma; Expires=Wed, 21 Oct 2026 07:28:00 GMT', 'a=3', 'c=']
  const response = await returned(
    'HTTP/1.1 200 OK',
    ...cookies.map((cookie, i) => `${i % 2 ? 'Set-Cookie' : 'set-cookie'}: ${cookie}`),
  )
  expect(response.all('set-cookie')).toEqual(cookies)
})

test('other fields that occur several times stay so too, in order, both ways', async () => {
  const response = await returned('HTTP/1.1 200 OK', 'X-Twice: 1', 'Link: <a>', 'x-twice: 2', 'Link: <b>')
  expect([response.all('x-twice'), response.all('link')]).toEqual([
    ['1', '2'],
    ['<a>', '<b>'],
  ])
  const request = await forwarded('Cookie: a=1', 'X-Twice: 1', 'Cookie: b=2', 'x-twice: 2', 'Accept: a', 'Accept: b')
  expect([request.all('x-twice'), request.all('accept')]).toEqual([
    ['1', '2'],
    ['a', 'b'],
  ])
  expect(request.all('cookie').join('; ')).toBe('a=1; b=2')
})

test('every byte that a value may have passes both ways', async () => {
  expect((await forwarded(`X-Bytes: ${BYTES}`)).field('x-bytes')).toBe(BYTES)
  expect((await returned('HTTP/1.1 200 OK', `X-Bytes: ${BYTES}`)).field('x-bytes')).toBe(BYTES)
})

test('UTF-8 in a value passes both ways as the bytes it is', async () => {
  const value = Buffer.from('größe 漢字 😀').toString('latin1')
  expect((await forwarded(`X-Name: ${value}`)).field('x-name')).toBe(value)
  const response = await returned('HTTP/1.1 200 OK', `Content-Disposition: attachment; filename="${value}"`)
  expect(response.field('content-disposition')).toBe(`attachment; filename="${value}"`)
})

test('empty values, and names that objects have, pass both ways', async () => {
  const names = ['X-Empty', 'Constructor', '__proto__', 'toString', 'hasOwnProperty', 'valueOf', '1', "!#$%&'*+-.^_`|~"]
  const lines = names.map((name) => `${name}: ${name === 'X-Empty' ? '' : `value of ${name}`}`)
  const request = await forwarded(...lines)
  const response = await returned('HTTP/1.1 200 OK', ...lines)
  for (const message of [request, response]) {
    for (const name of names) {
      expect([name, ...message.all(name)]).toEqual([name, name === 'X-Empty' ? '' : `value of ${name}`])
    }
  }
})

test('the client’s fields keep their order and spelling', async () => {
  const lines = ['User-Agent: curl', 'ACCEPT: */*', 'x-B: 1', 'X-a: 2', 'Authorization: Basic eA==']
  const { fields } = await forwarded(...lines)
  expect(fields.map(([name, value]) => `${name}: ${value}`).filter((line) => lines.includes(line))).toEqual(lines)
})

test('the server’s Date and Server stay; a missing Date is added', async () => {
  const date = 'Sun, 06 Nov 1994 08:49:37 GMT'
  const response = await returned('HTTP/1.1 200 OK', `Date: ${date}`, 'Server: old')
  expect([response.all('date'), response.all('server')]).toEqual([[date], ['old']])
  expect((await returned('HTTP/1.1 200 OK')).all('date')).toHaveLength(1)
})

test.each([
  ['HTTP/1.1 200 Fine With Me', 'HTTP/1.1 200 Fine With Me'],
  ['HTTP/1.1 418 ', /^HTTP\/1\.1 418 /],
  ['HTTP/1.1 418', /^HTTP\/1\.1 418 /],
  ['HTTP/1.1 299 Odd', 'HTTP/1.1 299 Odd'],
  ['HTTP/1.1 599 Odd', 'HTTP/1.1 599 Odd'],
  ['HTTP/1.1 999 Odd', 'HTTP/1.1 999 Odd'],
  // Neither may end the request: whatever is written instead, the status stands.
  ['HTTP/1.1 200 Gr\xf6\xdfe', /^HTTP\/1\.1 200 /],
  [`HTTP/1.1 200 ${Buffer.from('漢字').toString('latin1')}`, /^HTTP\/1\.1 200 /],
  ['HTTP/1.0 404 Gone Fishing', 'HTTP/1.1 404 Gone Fishing'],
])('the status line %j', async (line, expected) => {
  const { startLine } = await returned(line)
  if (typeof expected === 'string') expect(startLine).toBe(expected)
  else expect(startLine).toMatch(expected)
})

test('many fields and long ones, within the limits', async () => {
  const lines = Array.from({ length: 150 }, (_, i) => `x-field-${i}: ${'v'.repeat(60)}`)
  const request = await forwarded(...lines)
  const response = await returned('HTTP/1.1 200 OK', ...lines, `x-long: ${'l'.repeat(30_000)}`)
  for (const message of [request, response]) {
    expect(message.fields.filter(([name]) => name.startsWith('x-field-'))).toHaveLength(150)
  }
  expect(response.field('x-long')).toHaveLength(30_000)
})
