import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { Cutover } from '../support/cutover.ts'
import { until } from '../support/until.ts'
import { endAll, endWithAll } from './support.ts'

afterEach(endAll)

/** Fewer modules than a control process loads. */
const MANY = 100

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'cutover-compiled-'))
  endWithAll(() => rm(folder, { recursive: true, force: true }))
  return folder
}

async function launch(env: Record<string, string>): Promise<void> {
  const cutover = await Cutover.start({ services: null, proxy: { workers: 2 }, env })
  endWithAll(() => cutover.stop('SIGTERM'))
}

async function modulesIn(folder: string): Promise<number> {
  return (await readdir(folder, { recursive: true })).filter((path) => /(^|\/)v\d+.*\/\w+$/.test(path)).length
}

test('compiled code is cached in NODE_COMPILE_CACHE for the next start', async () => {
  const [kept, temporary] = [await newFolder(), await newFolder()]
  await launch({ NODE_COMPILE_CACHE: kept, TMPDIR: temporary })
  await until(async () => (await modulesIn(kept)) > MANY)
  expect(await modulesIn(temporary)).toBe(0)
})

test('without a usable NODE_COMPILE_CACHE, compiled code is cached in the temporary folder of the instance', async () => {
  for (const NODE_COMPILE_CACHE of ['', '/dev/null/compiled']) {
    const temporary = await newFolder()
    await launch({ NODE_COMPILE_CACHE, TMPDIR: temporary })
    await until(async () => (await modulesIn(temporary)) > MANY)
  }
})
