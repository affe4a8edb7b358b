import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'
import { PrivateFolder } from '../../src/process/private-folder.ts'
import { Cutover } from '../support/cutover.ts'
import { endAll, endWithAll, pool, upstream } from './support.ts'

afterEach(endAll)
vi.setConfig({ testTimeout: 90_000 })

async function parent(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'cutover-parent-'))
  endWithAll(() => rm(path, { recursive: true, force: true }))
  return path
}

async function launch(temporary: string): Promise<Cutover> {
  const cutover = await Cutover.start({
    services: { shop: { pools: { blue: pool(await upstream('blue1')) }, health: 'off' } },
    proxy: { workers: 1 },
    env: { TMPDIR: temporary },
  })
  endWithAll(() => cutover.stop('SIGKILL'))
  return cutover
}

test('the temporary folder of a supervisor that was killed goes with the next start, and that of one that lives stays', async () => {
  const temporary = await parent()
  const living = await launch(temporary)
  const [ofLiving] = await readdir(temporary)
  const killed = await launch(temporary)
  expect((await readdir(temporary)).length).toBe(2)
  killed.process.kill('SIGKILL')
  await killed.exited
  const next = await launch(temporary)
  const folders = await readdir(temporary)
  expect([folders.length, folders.includes(ofLiving as string)]).toEqual([2, true])
  for (const cutover of [living, next]) {
    cutover.process.kill('SIGTERM')
    expect(await cutover.exited).toEqual({ code: 0, signal: null })
  }
  expect(await readdir(temporary)).toEqual([])
})

test('a TMPDIR whose paths are too long for sockets works', async () => {
  const temporary = join(await parent(), 'x'.repeat(100))
  await mkdir(temporary)
  const cutover = await launch(temporary)
  expect((await fetch(cutover.proxy)).status).toBe(200)
  expect(await readdir(temporary)).toEqual([])
})

test('a place that cannot be used is passed over; when there is none, the error says why of each', async () => {
  const good = await parent()
  const long = join(good, 'x'.repeat(100))
  const missing = join(good, 'nope')
  const folder = await PrivateFolder.create([long, missing, good])
  expect(folder.path.startsWith(`${good}/cutover-`)).toBe(true)
  await folder.remove()
  expect(existsSync(folder.path)).toBe(false)
  await expect(PrivateFolder.create([long, missing])).rejects.toThrow(
    /no place for temporary files \(in .*x, paths of sockets would have \d+ bytes instead of \d+; ENOENT.*nope.*\); set TMPDIR/,
  )
})
