import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { AccessRecord } from '../../../src/telemetry/access-log/access-record.ts'
import { combinedLine } from '../../../src/telemetry/access-log/combined-line.ts'
import { type Fields, headOf, hostile, hostileBytes, PLAIN } from './records.ts'

interface Parsed {
  readonly client: string
  readonly time: string
  readonly request: string
  readonly status: string
  readonly bytes: string
  readonly referer: string
  readonly userAgent: string
}

/** Reads a line as tools do that know no escapes: columns end at spaces, quoted texts at the next quote. */
function parse(line: string): Parsed {
  let rest = line
  const take = (end: string): string => {
    const at = rest.indexOf(end)
    if (at < 0) throw new Error(`no ${end} in ${rest}`)
    const taken = rest.slice(0, at)
    rest = rest.slice(at + end.length)
    return taken
  }
  const client = take(' ')
  expect([take(' '), take(' [')]).toEqual(['-', '-'])
  const time = take('] "')
  const request = take('" ')
  const [status, bytes] = [take(' '), take(' "')]
  const [referer, userAgent] = [take('" "'), take('"\n')]
  expect(rest).toBe('')
  return { client, time, request, status, bytes, referer, userAgent }
}

/** Undoes the escapes of nginx; `-` stands for no text. */
function unescaped(text: string): string {
  if (text === '-') return ''
  return text.replace(/\\x([0-9A-F]{2})/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)))
}

const fields: fc.Arbitrary<Fields> = fc.record({ referer: hostileBytes, 'user-agent': hostileBytes })

test('is the line of nginx and Apache', () => {
  const head = headOf({ referer: 'https://a.test/?q="1"', 'user-agent': 'curl/8.0 (é)' })
  const record: AccessRecord = { ...PLAIN, atMs: Date.UTC(2026, 10, 9, 8, 7, 6, 5), target: '/a?b=c', head }
  expect(combinedLine(record)).toBe(
    '192.0.2.1 - - [09/Nov/2026:08:07:06 +0000] "GET /a?b=c HTTP/1.1" 200 7 "https://a.test/?q=\\x221\\x22" "curl/8.0 (\\xE9)"\n',
  )
  expect(combinedLine({ ...record, atMs: record.atMs + 1_000 })).toContain('[09/Nov/2026:08:07:07 +0000]')
  expect(combinedLine({ ...record, head: { ...head, version: '1.0' } })).toContain('"GET /a?b=c HTTP/1.0"')
})

test('a request without a target or fields has - in their places', () => {
  expect(combinedLine({ ...PLAIN, method: '', target: '', head: null, status: 400 })).toMatch(/\] "-" 400 7 "-" "-"\n$/)
})

test('a line with any bytes parses, and gives them back', () => {
  const given = fc.record({ method: hostileBytes, target: hostileBytes, client: hostileBytes })
  fc.assert(
    fc.property(given, fields, ({ method, target, client }, fields) => {
      const line = combinedLine({ ...PLAIN, method, target, client, head: headOf(fields) })
      expect(line).toMatch(/^[\x20-\x7e]+\n$/)
      const { request, ...parsed } = parse(line)
      expect(parsed).toMatchObject({ time: '24/Nov/2025:16:00:00 +0000', status: '200', bytes: '7' })
      const columns = request.split(' ')
      if (target === '') expect(request).toBe('-')
      else expect(columns).toEqual([expect.anything(), expect.anything(), 'HTTP/1.1'])
      const expected = target === '' ? ['', ''] : [method, target]
      const read = target === '' ? ['', ''] : columns.slice(0, 2)
      const texts = [...read, parsed.client, parsed.referer, parsed.userAgent]
      // A `-` that was sent and nothing look the same.
      const sent = [...expected, client, fields.referer, fields['user-agent']].map((each) => (each === '-' ? '' : each))
      expect(texts.map(unescaped)).toEqual(sent)
    }),
    { numRuns: 2_000 },
  )
})

test('a line with any text stays one line of ASCII', () => {
  fc.assert(
    fc.property(hostile, hostile, (client, target) => {
      const line = combinedLine({ ...PLAIN, client, target })
      expect(line).toMatch(/^[\x20-\x7e]+\n$/)
      parse(line)
    }),
    { numRuns: 2_000 },
  )
})
