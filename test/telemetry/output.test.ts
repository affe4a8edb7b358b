import { execFileSync } from 'node:child_process'
import { closeSync, constants, openSync, readSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Output } from '../../src/telemetry/output.ts'

let folder = ''
const open: number[] = []

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cutover-output-'))
})

afterEach(async () => {
  for (const fd of open.splice(0)) closeSync(fd)
  await rm(folder, { recursive: true })
})

function opened(path: string, flags: number): number {
  const fd = openSync(path, flags)
  open.push(fd)
  return fd
}

interface Pipe {
  /** The write end, blocking, as a process would inherit it. */
  readonly writeEnd: number
  /** Returns everything that is in the pipe now. */
  read(): string
}

function pipe(): Pipe {
  const path = join(folder, 'pipe')
  execFileSync('mkfifo', [path])
  const readEnd = opened(path, constants.O_RDONLY | constants.O_NONBLOCK)
  const writeEnd = opened(path, constants.O_WRONLY)
  const read = (): string => {
    const buffer = Buffer.alloc(1024 * 1024)
    let text = ''
    for (;;) {
      try {
        text += buffer.toString('utf8', 0, readSync(readEnd, buffer))
      } catch {
        return text
      }
    }
  }
  return { writeEnd, read }
}

/** A line of about a kilobyte with its number. */
function line(number: number): string {
  return `${JSON.stringify({ number, text: 'x'.repeat(1_000) })}\n`
}

test('an unread pipe blocks nothing: a bounded amount is buffered, the rest is dropped, counted and reported', async () => {
  const { writeEnd, read } = pipe()
  let recovered: number | null = null
  const output = new Output(writeEnd, (dropped) => {
    recovered = dropped
  })
  const before = performance.now()
  for (let i = 0; i < 5_000; i++) output.write(line(i))
  expect(performance.now() - before).toBeLessThan(10_000)
  expect(output.dropped).toBeGreaterThan(3_000)
  expect(recovered).toBeNull()
  let text = ''
  while (recovered === null) {
    text += read()
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  output.write(line(5_000))
  text += read()
  expect(recovered).toBe(output.dropped)
  const numbers = text
    .trimEnd()
    .split('\n')
    .map((each) => (JSON.parse(each) as { number: number }).number)
  expect(numbers.length + output.dropped).toBe(5_001)
  expect([numbers[0], numbers.at(-1)]).toEqual([0, 5_000])
})

test('at the end of the process, what has not been read soon is dropped and counted', () => {
  const { writeEnd, read } = pipe()
  const output = new Output(writeEnd)
  for (let i = 0; i < 500; i++) output.write(line(i))
  expect(output.dropped).toBe(0)
  const before = performance.now()
  output.flush()
  expect(performance.now() - before).toBeLessThan(5_000)
  const whole = read().split('\n').slice(0, -1)
  expect(whole.length).toBeGreaterThan(0)
  expect(whole.length + output.dropped).toBe(500)
})

test('a closed reader and a full disk block nothing, and their lines are counted as dropped', () => {
  const path = join(folder, 'gone')
  execFileSync('mkfifo', [path])
  const readEnd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  const gone = new Output(opened(path, constants.O_WRONLY))
  closeSync(readEnd)
  const full = new Output(opened('/dev/full', constants.O_WRONLY))
  for (const output of [gone, full]) {
    output.write('one\ntwo\n', 2)
    output.write('three\n')
    output.flush()
    expect(output.dropped).toBe(3)
  }
})

test('a file gets every line', async () => {
  const path = join(folder, 'file')
  const output = new Output(opened(path, constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT))
  for (let i = 0; i < 3_000; i++) output.write(line(i))
  expect([output.isPipe, output.dropped]).toEqual([false, 0])
  expect((await readFile(path, 'utf8')).split('\n').length).toBe(3_001)
})
