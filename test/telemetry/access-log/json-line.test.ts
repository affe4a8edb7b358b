import fc from 'fast-check'
import { expect, test } from 'vitest'
import { jsonLine } from '../../../src/telemetry/access-log/json-line.ts'
import { PLAIN, tags, texts, UNWANTED } from './records.ts'

test('a line with any texts and tags parses as JSON and gives all of them back', () => {
  fc.assert(
    fc.property(texts, tags, (given, tags) => {
      const line = jsonLine({ ...PLAIN, ...given, tags })
      expect(line.indexOf('\n')).toBe(line.length - 1)
      const { error, ...parsed } = JSON.parse(line)
      expect({ ...parsed, error: error ?? '' }).toMatchObject(given)
      expect(parsed).toMatchObject({ status: 200, bytes: 7, ms: 1.5, attempts: 1 })
      expect(parsed.tags).toEqual(JSON.parse(JSON.stringify(tags)))
      expect(Object.keys(parsed)).toHaveLength(Object.keys(JSON.parse(jsonLine({ ...PLAIN, tags }))).length)
    }),
    { numRuns: 2_000 },
  )
})

test('a line contains no control character, no line separator and no mark that changes text direction', () => {
  fc.assert(
    fc.property(texts, tags, (given, tags) => {
      expect(jsonLine({ ...PLAIN, ...given, tags }).slice(0, -1)).not.toMatch(UNWANTED)
    }),
    { numRuns: 2_000 },
  )
})
