import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'

const vitest = fileURLToPath(new URL('../../node_modules/vitest/vitest.mjs', import.meta.url))
const reporter = new URL('../support/summary-reporter.ts', import.meta.url).href
let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cutover-summary-'))
  writeFileSync(
    join(folder, 'vitest.config.mjs'),
    `import { SummaryReporter } from '${reporter}'
    export default { test: { globals: true, maxWorkers: 1, reporters: ['default', new SummaryReporter()] } }`,
  )
})

afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** The last line that vitest prints over these test files. */
async function lastLine(files: Record<string, string>): Promise<string | undefined> {
  for (const [name, source] of Object.entries(files)) writeFileSync(join(folder, `${name}.test.js`), source)
  const child = spawn(process.execPath, [vitest, 'run'], { cwd: folder, stdio: ['ignore', 'pipe', 'ignore'] })
  return (await text(child.stdout)).trimEnd().split('\n').at(-1)
}

test('counts tests', async () => {
  const line = await lastLine({
    one: `test('a', () => {}); test('b', () => {}); test.skip('c', () => {})`,
    two: `describe('in a group', () => test('d', () => { throw new Error('no') }))`,
  })
  expect(line).toBe('2 passed, 1 failed, 1 skipped')
})

test('counts a file that fails without a failed test', async () => {
  expect(await lastLine({ one: `test('a', () => {})`, broken: `throw new Error('no')` })).toBe('1 passed, 1 failed')
  expect(await lastLine({ broken: `beforeAll(() => { throw new Error('no') }); test('a', () => {})` })).toBe(
    '1 passed, 1 failed, 1 skipped',
  )
})

test('counts an error outside of any test', async () => {
  const line = await lastLine({ one: `test('a', () => { Promise.reject(new Error('stray')) })` })
  expect(line).toBe('1 passed, 1 failed')
})

test('says that something is wrong when there is no test', async () => {
  expect(await lastLine({})).toBe('0 passed, 1 failed')
})
