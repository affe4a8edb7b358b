import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { PrivateFolder } from '../../src/process/private-folder.ts'
import { Cutover } from '../support/cutover.ts'
import { endAll, endWithAll, pool, upstream } from './support.ts'

afterEach(endAll)

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

test('a start removes the temporary folder of a killed supervisor, and keeps that of a running one', async () => {
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

test('a TMPDIR with a path too long for socket files is passed over, and the instance starts', async () => {
  const temporary = join(await parent(), 'x'.repeat(100))
  await mkdir(temporary)
  const cutover = await launch(temporary)
  expect((await fetch(cutover.proxy)).status).toBe(200)
  expect(await readdir(temporary)).toEqual([])
})

test('an unusable parent folder is passed over; if none is usable, the error has the reason for each', async () => {
  const good = await parent()
  const long = join(good, 'x'.repeat(100))
  const missing = join(good, 'nope')
  const folder = await PrivateFolder.create([long, missing, good])
  expect(folder.path.startsWith(`${good}/cutover-`)).toBe(true)
  await folder.remove()
  expect(existsSync(folder.path)).toBe(false)
  await expect(PrivateFolder.create([long, missing])).rejects.toThrow(
    /cannot create a folder for temporary files \(in .*x, socket paths would have \d+ bytes; the max is \d+; ENOENT.*nope.*\); set TMPDIR/,
  )
})
