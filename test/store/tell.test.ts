import { setTimeout } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { sparing } from '../../src/store/tell.ts'

test('a repeated line is written at once, then once per window with the number left out', async () => {
  const lines: string[] = []
  const tell = sparing((level, message) => lines.push(`${level}: ${message}`), 1, 200)
  for (let revision = 1; revision <= 1_000; revision++) tell('warn', `filled again with revision ${revision}`)
  tell('info', 'something else')
  expect(lines).toEqual(['warn: filled again with revision 1', 'info: something else'])
  while (lines.length < 3) await setTimeout(10)
  expect(lines[2]).toMatch(/^warn: filled again with revision \d+ \(999 times more in the last 0\.2 s\)$/)
  // It is quiet for a while: the next one is news.
  await setTimeout(600)
  tell('warn', 'filled again with revision 7')
  expect(lines.slice(3)).toEqual(['warn: filled again with revision 7'])
})

test('as many lines as are allowed in a while are written at once', () => {
  const lines: string[] = []
  const tell = sparing((_level, message) => lines.push(message), 3)
  for (let i = 0; i < 10; i++) for (const what of ['away', 'there']) tell('info', `the store is ${what}`)
  expect(lines).toHaveLength(6)
})
