import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { LogFile } from '../../src/telemetry/log-file.ts'

let folder = ''
let path = ''
let told: string[] = []
const files: LogFile[] = []
const log = {
  error: (_fields: object, message?: string) => told.push(message ?? ''),
  warn: ({ dropped }: { dropped?: number }, message?: string) => told.push(`${message} (${dropped} dropped)`),
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cutover-log-file-'))
  path = join(folder, 'access.log')
  told = []
})

afterEach(() => {
  for (const file of files.splice(0)) file.close()
  rmSync(folder, { recursive: true })
})

function open(at = path): LogFile {
  const file = new LogFile(at, log as never)
  files.push(file)
  return file
}

test('appends lines to a file that is not for everybody', () => {
  const file = open()
  file.write('one\ntwo\n', 2)
  file.write('three\n', 1)
  expect(readFileSync(path, 'utf8')).toBe('one\ntwo\nthree\n')
  expect(statSync(path).mode & 0o777).toBe(0o640)
  expect([file.dropped, told]).toEqual([0, []])
})

test('appends to what is there', () => {
  writeFileSync(path, 'before\n')
  open().write('one\n', 1)
  expect(readFileSync(path, 'utf8')).toBe('before\none\n')
})

test('a line that was left incomplete does not spoil the next one', () => {
  writeFileSync(path, 'whole\nhal')
  open().write('one\n', 1)
  expect(readFileSync(path, 'utf8')).toBe('whole\nhal\none\n')
})

test('a renamed file gets lines until the file is opened again, then a new one does', () => {
  const file = open()
  file.write('one\n', 1)
  renameSync(path, `${path}.1`)
  file.write('two\n', 1)
  file.reopen()
  expect(readFileSync(path, 'utf8')).toBe('')
  file.write('three\n', 1)
  expect(readFileSync(`${path}.1`, 'utf8')).toBe('one\ntwo\n')
  expect(readFileSync(path, 'utf8')).toBe('three\n')
})

test('a removed file is created again with the next lines', () => {
  const file = open()
  file.write('one\n', 1)
  rmSync(path)
  file.write('two\n', 1)
  expect(readFileSync(path, 'utf8')).toBe('two\n')
  expect(file.dropped).toBe(0)
})

test('without its folder, lines are dropped and counted; once it is there, lines are written', async () => {
  const file = open(join(folder, 'later', 'access.log'))
  file.write('one\ntwo\n', 2)
  file.write('three\n', 1)
  expect(file.dropped).toBe(3)
  await mkdir(join(folder, 'later'))
  file.write('four\n', 1)
  expect(readFileSync(join(folder, 'later', 'access.log'), 'utf8')).toBe('four\n')
  expect(told).toEqual([
    'the access log cannot be written: lines are dropped',
    'the access log can be written again (3 dropped)',
  ])
})

test('if the file cannot be opened again, lines go on to the old one, and each write tries again', () => {
  const file = open()
  renameSync(path, `${path}.1`)
  execFileSync('mkdir', [path])
  file.reopen()
  file.write('one\n', 1)
  expect(readFileSync(`${path}.1`, 'utf8')).toBe('one\n')
  expect(told).toEqual(['the access log cannot be written: lines go on to the file that is open'])
  rmSync(path, { recursive: true })
  file.write('two\n', 1)
  expect(readFileSync(path, 'utf8')).toBe('two\n')
  expect([file.dropped, told[1]]).toEqual([0, 'the access log can be written again (0 dropped)'])
})

test('a named pipe in its place blocks nothing', () => {
  execFileSync('mkfifo', [path])
  const file = open()
  file.write('one\n', 1)
  expect(file.dropped).toBe(1)
})

test('a file that may not grow gets whole lines only: of a batch, those that fit are not counted as dropped', () => {
  const script = join(import.meta.dirname, 'limited-log-file.ts')
  const stdout = execFileSync('sh', ['-c', 'ulimit -f 8; exec "$0" "$@"', process.execPath, script, path], {
    encoding: 'utf8',
  })
  const { dropped, written, told } = JSON.parse(stdout)
  const lines = [`${path}.1`, path].flatMap((each) => readFileSync(each, 'utf8').split('\n'))
  const whole = lines.filter((line) => /^\d+ x{100}$/.test(line))
  expect(whole.length).toBeGreaterThan(20)
  expect(dropped).toBeGreaterThan(100)
  expect(whole.length + dropped).toBe(written)
  expect(whole.at(-1)).toMatch(/^1000 /)
  expect(told).toHaveLength(1)
})
