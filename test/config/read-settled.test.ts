import { execFileSync } from 'node:child_process'
import { closeSync, openSync, writeFileSync, writeSync } from 'node:fs'
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { loadConfig } from '../../src/config/load.ts'
import { BeingWritten, readSettled } from '../../src/config/read-settled.ts'

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cutover-read-'))
})
afterAll(() => rm(folder, { recursive: true }))

const OLD = 'a'.repeat(100_000)
const NEW = 'b'.repeat(100_000)

/** Writes over a file in place, in pieces with pauses between them. */
async function writeSlowly(file: string, text: string, pauseMs: number): Promise<void> {
  const descriptor = openSync(file, 'w')
  for (let at = 0; at < text.length; at += 40_000) {
    await delay(pauseMs)
    writeSync(descriptor, text.slice(at, at + 40_000))
  }
  closeSync(descriptor)
}

test('a file that is overwritten in place is read with its old or its new content, never half', async () => {
  const file = join(folder, 'in-place')
  await writeFile(file, OLD)
  let isWriting = true
  const writing = (async () => {
    for (let round = 0; round < 8; round++) await writeSlowly(file, round % 2 === 0 ? NEW : OLD, 15)
    isWriting = false
  })()
  const texts: string[] = []
  while (isWriting) texts.push(await readSettled(file))
  await writing
  for (const text of texts) expect([OLD, NEW]).toContain(text)
  expect(await readSettled(file)).toBe(OLD)
})

test('a file that is replaced by another one is read whole', async () => {
  const file = join(folder, 'renamed')
  await writeFile(file, OLD)
  const reading = readSettled(file)
  await writeFile(`${file}.new`, NEW)
  await rename(`${file}.new`, file)
  expect([OLD, NEW]).toContain(await reading)
})

test('a file that never stops changing is given up after a while, and the message says what to do', async () => {
  const file = join(folder, 'growing')
  await writeFile(file, 'services: {}\n')
  let line = 0
  const growing = setInterval(() => writeFileSync(file, `# ${line++}\n`, { flag: 'a' }), 10)
  try {
    await expect(readSettled(file)).rejects.toBeInstanceOf(BeingWritten)
    expect(await loadConfig(file, {})).toEqual({
      ok: false,
      problems: [{ path: '', message: `${file} is being written; read it again (SIGHUP) afterwards` }],
    })
  } finally {
    clearInterval(growing)
  }
})

test('a pipe is read only once', async () => {
  const pipe = join(folder, 'pipe')
  execFileSync('mkfifo', [pipe])
  const [text] = await Promise.all([readSettled(pipe), writeFile(pipe, 'services: {}\n')])
  expect(text).toBe('services: {}\n')
})
