import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { AccessRecord } from '../../../src/telemetry/access-log/access-record.ts'
import { logfmtLine } from '../../../src/telemetry/access-log/logfmt-line.ts'
import { PLAIN, tags, texts, UNWANTED } from './records.ts'

/**
 * Reads a line as github.com/go-logfmt/logfmt does: keys and bare values end at a space, and contain neither `=`, quotes
 * nor control characters; quoted values are strings of JSON.
 */
function parse(line: string): Map<string, string> {
  const pairs = new Map<string, string>()
  const pair = /([^\s="\p{Cc}]+)=(?:"((?:[^"\\\p{Cc}]|\\.)*)"|([^\s="\p{Cc}]*))(?: |\n$)/uy
  while (pair.lastIndex < line.length) {
    const found = pair.exec(line)
    if (found === null) throw new Error(`not logfmt: ${line}`)
    const [, key = '', quoted, bare = ''] = found
    if (pairs.has(key)) throw new Error(`${key} is there twice: ${line}`)
    pairs.set(key, quoted === undefined ? bare : JSON.parse(`"${quoted}"`))
  }
  return pairs
}

test('has the keys of the JSON format; those without a value are left out', () => {
  const record: AccessRecord = {
    ...PLAIN,
    atMs: Date.UTC(2026, 10, 9, 8, 7, 6, 5),
    target: '/a?b=c',
    heldMs: 3.25,
    traceId: 'abc',
    version: 'v 1',
    connectMs: 0.25,
    error: 'client_gone',
    tags: { plan: 'gold', beta: true, 'a b': '', n: 1.5 },
  }
  expect(logfmtLine(record)).toBe(
    'time=2026-11-09T08:07:06.005Z level=info msg=request client=192.0.2.1 method=GET host=app.test target="/a?b=c" status=200 bytes=7 ms=1.5 queueMs=0 heldMs=3.25 connectMs=0.25 firstByteMs=1 service=app pool=blue version="v 1" server=a attempts=1 requestId=id traceId=abc error=client_gone tags.plan=gold tags.beta=true tags.a%20b="" tags.n=1.5\n',
  )
  expect(logfmtLine({ ...PLAIN, atMs: record.atMs + 1_100 })).toContain('time=2026-11-09T08:07:07.105Z ')
  const refused = { ...PLAIN, method: '', host: '', target: '', service: '', pool: '', version: '', server: '' }
  expect([...parse(logfmtLine(refused)).keys()]).toEqual([
    'time',
    'level',
    'msg',
    'client',
    'status',
    'bytes',
    'ms',
    'queueMs',
    'firstByteMs',
    'attempts',
    'requestId',
  ])
})

test('a line with any texts and tags parses, and gives all of them back', () => {
  fc.assert(
    fc.property(texts, tags, (given, tags) => {
      const expected = Object.entries(tags).map(([name, value]) => [name.toWellFormed(), String(value)])
      // Names that differ only in halves of surrogates become one; such tags are left out here.
      fc.pre(new Set(expected.map(([name]) => name)).size === expected.length)
      const line = logfmtLine({ ...PLAIN, ...given, tags })
      expect(line.slice(0, -1)).not.toMatch(UNWANTED)
      const parsed = parse(line)
      const read = Object.fromEntries(Object.keys(given).map((key) => [key, parsed.get(key) ?? '']))
      expect(read).toEqual(given)
      expect([parsed.get('status'), parsed.get('bytes'), parsed.get('ms')]).toEqual(['200', '7', '1.5'])
      const readTags = [...parsed].flatMap(([key, value]) =>
        key.startsWith('tags.') ? [[decodeURIComponent(key.slice('tags.'.length)), value]] : [],
      )
      expect(readTags).toEqual(expected)
    }),
    { numRuns: 2_000 },
  )
})
