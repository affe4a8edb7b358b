import { once } from 'node:events'
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { changeFor } from './changes.ts'
import { attempt, kill, openStore, startCommitter, temporaryDirectory } from './directory.ts'

async function locks(path: string): Promise<string[]> {
  return (await readdir(path)).filter((name) => name.startsWith('lock-'))
}

test('a directory in use is refused, with the process and the remedy; it is free once that process is killed', async () => {
  const path = await temporaryDirectory()
  const { child, lines } = startCommitter(path)
  await once(lines, 'line')
  const message = await attempt(path)
  expect(message).toContain(`${path} is in use by process ${child.pid}.`)
  expect(message).toContain('Stop that process first')
  await kill(child)
  expect(await locks(path)).toHaveLength(1)
  expect(await attempt(path)).toMatchObject({ revision: expect.any(Number) })
  expect(await locks(path)).toEqual([])
})

test('a second store of one process is refused, and does not disturb the first', async () => {
  const path = await temporaryDirectory()
  const { store } = await openStore(path)
  expect(await attempt(path)).toContain(`in use by another store of this process (pid ${process.pid})`)
  expect(await store.commit(changeFor(1))).toBe('committed')
  await store.close()
  expect(await attempt(path)).toMatchObject({ revision: 1 })
})

test('at most one of several processes that start together keeps the directory', async () => {
  for (let round = 0; round < 3; round++) {
    const path = await temporaryDirectory()
    await writeFile(join(path, 'lock-999999999'), '')
    const starts = Array.from({ length: 5 }, () => startCommitter(path))
    const first = await Promise.all(starts.map(async ({ lines }) => String((await once(lines, 'line'))[0])))
    expect(first.filter((line) => line.startsWith('open')).length).toBeLessThanOrEqual(1)
    expect(first.filter((line) => !line.startsWith('open') && !line.includes('is in use by process'))).toEqual([])
    await Promise.all(starts.map(({ child }) => (child.exitCode === null ? kill(child) : undefined)))
    expect(await attempt(path)).toMatchObject({ revision: expect.any(Number) })
  }
})

test.runIf(process.platform === 'linux')('a lock whose pid has come round again is stale', async () => {
  const path = await temporaryDirectory()
  const { store } = await openStore(path)
  const [own = ''] = await locks(path)
  await store.close()
  const [, pid, ticks, boot] = own.split('-')
  const stale = [
    `lock-${pid}-${Number(ticks) - 1}-${boot}`,
    `lock-${pid}-${ticks}-00000000`,
    `lock-1-1-${boot}`,
    `lock-999999999-${ticks}-${boot}`,
  ]
  for (const name of stale) {
    await writeFile(join(path, name), '')
    expect(await attempt(path), name).toMatchObject({ revision: 0 })
    expect(await locks(path)).toEqual([])
  }
})

test.runIf(process.platform === 'linux')('a process that is dead but not yet reaped holds no lock', async () => {
  const path = await temporaryDirectory()
  const { child, lines } = startCommitter(path)
  await once(lines, 'line')
  child.kill('SIGKILL')
  // Wait busily until the kernel has ended it: it is not reaped before this process returns to its event loop.
  const { readFileSync } = await import('node:fs')
  while (!/\) Z /.test(readFileSync(`/proc/${child.pid}/stat`, 'latin1'))) {}
  expect(await attempt(path)).toMatchObject({ revision: expect.any(Number) })
})
