import { execFileSync, spawnSync } from 'node:child_process'
import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'

const SCRIPT = join(import.meta.dirname, 'logging-process.ts')
const PAGE = Buffer.alloc(4_096, 'x')

test('a pipe with little room, to which others write as well, gets whole lines only, whatever characters they contain', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'cutover-pipe-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const path = join(folder, 'pipe')
  execFileSync('mkfifo', [path])
  const readEnd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  const writeEnd = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK)
  let pages = 0
  try {
    for (;;) pages += writeSync(writeEnd, PAGE) / PAGE.length
  } catch (error) {
    expect(error).toMatchObject({ code: 'EAGAIN' })
  }
  readSync(readEnd, Buffer.alloc(PAGE.length))

  const { stderr } = spawnSync(process.execPath, [SCRIPT], { stdio: ['ignore', writeEnd, 'pipe'] })
  closeSync(writeEnd)
  const buffer = Buffer.alloc(pages * PAGE.length)
  let length = 0
  for (let read = -1; read !== 0; length += read) read = readSync(readEnd, buffer, length, buffer.length - length, null)
  closeSync(readEnd)
  const text = buffer.toString('utf8', (pages - 1) * PAGE.length, length)
  expect(text.endsWith('\n')).toBe(true)
  const lines = text.split('\n').slice(0, -1)
  for (const line of lines) JSON.parse(line)
  expect(lines.length).toBeGreaterThan(0)
  expect(lines.length + Number(stderr)).toBe(5)
})
