import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { afterEach, expect, test } from 'vitest'
import { freePort, startUpstream } from '../support/upstream.ts'

const children: ChildProcessWithoutNullStreams[] = []

function demo(...args: string[]): ChildProcessWithoutNullStreams {
  const child = spawn(process.execPath, ['src/demo/main.ts', ...args])
  children.push(child)
  return child
}

/** The first lines of what a process prints. */
async function lines(child: ChildProcessWithoutNullStreams, count: number): Promise<string[]> {
  let printed = ''
  for await (const chunk of child.stdout.iterator({ destroyOnReturn: false })) {
    printed += chunk
    if (printed.split('\n').length > count) break
  }
  return printed.split('\n').slice(0, count)
}

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
})

test.each(['SIGINT', 'SIGTERM'] as const)('starts the app it is told to, and %s ends it at once', async (signal) => {
  const port = await freePort()
  const child = demo('--only', 'blue1', '--port', `${port}`)
  expect(await lines(child, 1)).toEqual([`blue1   version 1.0.0  http://127.0.0.1:${port}`])
  const events = await fetch(`http://127.0.0.1:${port}/events`)
  child.kill(signal)
  expect(await once(child, 'exit')).toEqual([0, null])
  await expect(events.text()).rejects.toThrow()
})

test('starts two blue and two green apps on ports in a row', async () => {
  // Below the ports that the system gives away by itself, so that four in a row are likely to be free.
  const port = 20_000 + 4 * Math.floor(Math.random() * 2500)
  const child = demo('--port', `${port}`)
  expect(await lines(child, 4)).toEqual([
    `blue1   version 1.0.0  http://127.0.0.1:${port}`,
    `blue2   version 1.0.0  http://127.0.0.1:${port + 1}`,
    `green1  version 2.0.0  http://127.0.0.1:${port + 2}`,
    `green2  version 2.0.0  http://127.0.0.1:${port + 3}`,
  ])
  const body = await (await fetch(`http://127.0.0.1:${port + 3}/`)).json()
  expect(body).toMatchObject({ name: 'green2', version: '2.0.0' })
})

test('names the port that is taken, and exits with 1', async () => {
  const holder = await startUpstream()
  const child = demo('--only', 'blue1', '--port', `${holder.port}`)
  const [said, [code]] = await Promise.all([text(child.stderr), once(child, 'exit')])
  await holder.close()
  expect(said).toBe(`blue1 cannot start: port ${holder.port} is taken\n`)
  expect(code).toBe(1)
})

test.each([
  [['--only', 'red1'], /no app red1; the apps are blue1, blue2, green1, green2/],
  [['--port', '0'], /0 is not a usable port/],
  [['--nonsense'], /nonsense/],
])('%j is refused with 2', async (args, message) => {
  const child = demo(...args)
  const [said, [code]] = await Promise.all([text(child.stderr), once(child, 'exit')])
  expect(said).toMatch(message)
  expect(said).toMatch(/usage: /)
  expect(code).toBe(2)
})
