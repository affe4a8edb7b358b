import { execFileSync, spawn } from 'node:child_process'
import { closeSync, constants, openSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { expect, onTestFinished, test } from 'vitest'

const SCRIPT = join(import.meta.dirname, 'logging-process.ts')
const SERVERS = ['a', 'b', 'c']

test('lines of several processes do not mix in a pipe that is always full, whatever characters they contain', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'cutover-pipe-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const path = join(folder, 'pipe')
  execFileSync('mkfifo', [path])
  const reader = new Socket({ fd: openSync(path, constants.O_RDONLY | constants.O_NONBLOCK), readable: true })
  const writeEnd = openSync(path, constants.O_WRONLY)
  const processes = SERVERS.map((server) =>
    spawn(process.execPath, [SCRIPT, server], { stdio: ['ignore', writeEnd, 'pipe'] }),
  )
  closeSync(writeEnd)
  const [output, ...reports] = await Promise.all([
    text(reader),
    ...processes.map(({ stderr }) => text(stderr as Socket)),
  ])
  const lines = output.split('\n').slice(0, -1)
  const servers = lines.map((line) => JSON.parse(line).server as string)
  for (const [i, report] of reports.entries()) {
    const { logged, dropped } = JSON.parse(report)
    expect(dropped).toBeGreaterThan(0)
    expect(servers.filter((server) => server === SERVERS[i]).length).toBe(logged - dropped)
  }
})
