import { execFile, execFileSync } from 'node:child_process'
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { PROGRAM } from '../support/program.ts'
import { configOf, configProblemsOf } from './support.ts'

/** A user who may not write everywhere, since tests may run as root. */
const USER = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {}

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cutover-check-log-'))
  await chmod(folder, 0o755)
})
afterAll(() => rm(folder, { recursive: true }))

function problems(file: unknown): readonly string[] {
  return configProblemsOf({ proxy: { accessLog: { file } } })
}

test('the file may be there or not; empty = standard output', async () => {
  const there = join(folder, 'there.log')
  await writeFile(there, '')
  for (const file of ['', there, join(folder, 'new.log'), 'relative.log'])
    expect(configOf({ proxy: { accessLog: { file, format: 'logfmt' } } }).proxy.accessLog).toEqual({
      file,
      format: 'logfmt',
      sample: 1,
    })
})

test('what cannot be a log file is refused', async () => {
  const pipe = join(folder, 'pipe')
  execFileSync('mkfifo', [pipe])
  const missing = join(folder, 'missing')
  const plain = join(folder, 'plain')
  await writeFile(plain, '')
  const at = 'proxy.accessLog.file'
  expect(problems(join(missing, 'a.log'))).toEqual([`${at}: there is no folder ${missing}; create it`])
  for (const file of [folder, pipe, '/dev/null'])
    expect(problems(file)).toEqual([`${at}: ${file} is not a regular file; leave it out to write to standard output`])
  expect(problems(join(plain, 'a.log'))).toEqual([`${at}: there is no folder ${plain}; create it`])
  expect(problems('a\0b')).toEqual([expect.stringContaining(`${at}: a\0b cannot be used: `)])
})

test('cutover check names a folder and a file that its user may not write', async () => {
  const closed = join(folder, 'closed')
  await mkdir(closed)
  await writeFile(join(closed, 'old.log'), '', { mode: 0o444 })
  await chmod(closed, 0o555)
  const check = async (file: string): Promise<string> => {
    const config = join(folder, 'cutover.json')
    await writeFile(config, JSON.stringify({ proxy: { accessLog: { file } }, services: {} }))
    return new Promise((resolve) =>
      execFile(process.execPath, [PROGRAM, 'check', config], USER, (error, _stdout, stderr) =>
        resolve(`${error?.code} ${stderr}`),
      ),
    )
  }
  expect(await check(join(closed, 'new.log'))).toContain(
    `2 proxy.accessLog.file: the folder ${closed} is not writable for this user\n`,
  )
  const old = join(closed, 'old.log')
  expect(await check(old)).toContain(`2 proxy.accessLog.file: ${old} may not be read and written by this user\n`)
}, 120_000)
