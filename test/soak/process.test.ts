import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { KINDS, type Result } from './figures.ts'

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url))

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cutover-soak-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

async function run(args: readonly string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve))
  const [code, stdout, stderr] = await Promise.all([exited, text(child.stdout), text(child.stderr)])
  return { code, stdout, stderr }
}

test('six seconds: every kind of request at both services, nothing broken', { timeout: 60_000 }, async () => {
  const file = join(folder, 'result.json')
  const { code, stdout, stderr } = await run(['--seconds', '6', '--json', file])
  expect(stdout, stderr).toMatch(/\nVerdict: all promises kept\.\n$/)
  expect(code).toBe(0)
  for (const kind of KINDS) expect(stdout).toMatch(new RegExp(`^ {2}${kind} +[1-9]`, 'm'))
  for (const line of [
    /^small GETs: steady p50 \d/m,
    /^operations on steady: switch \d/m,
    /^RSS +\d+ MB +\d+ MB/m,
    /^heap +\d+ MB +\d+ MB/m,
    /^file descriptors +\d/m,
    /^requests in flight +0 +0/m,
  ]) {
    expect(stdout).toMatch(line)
  }
  const result: Result & { broken: string[] } = JSON.parse(await readFile(file, 'utf8'))
  expect(result.broken).toEqual([])
  expect(result.unexplainedCount).toEqual({ steady: 0, rough: 0 })
  for (const kind of KINDS) expect(result.counts.steady[kind]).toMatchObject({ failed: {} })
  expect(result.disturbed).toBeGreaterThan(0)
})

test.each([
  [['--minutes', '6'], '--minutes'],
  [['--seconds', '0'], '--seconds must be a whole number'],
  [['soon'], 'soon'],
  [['--json', '/nowhere/result.json'], '/nowhere/result.json'],
])('unusable arguments %j: 2, and why', async (args, why) => {
  const { code, stdout, stderr } = await run(args)
  expect([code, stdout]).toEqual([2, ''])
  expect(stderr).toContain(why)
  expect(stderr).toContain('Usage: npm run soak')
})
