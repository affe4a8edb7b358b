import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Cutover } from '../support/cutover.ts'
import { until } from '../support/until.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'
import { CommandLine, runCutover } from './support.ts'

let folder = ''
let socket = ''
let server: Upstream
let cutover: Cutover
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cutover-söcket-'))
  socket = `unix:${join(folder, 'admin.sock')}`
  server = await startUpstream(undefined, { name: 'blue1' })
  const pools = { blue: { servers: { blue1: server.url } }, green: { servers: { green1: server.url } } }
  cutover = await Cutover.start({ services: { shop: { pools, split: { blue: 100 } } }, admin: { listen: socket } })
})
afterAll(async () => {
  await cutover.stop('SIGKILL')
  await Promise.all([server.close(), rm(folder, { recursive: true })])
})

test('reads, writes and events through a socket file, whose path is no plain ASCII', async () => {
  const env = { CUTOVER_ADMIN: socket }
  const following = new CommandLine(['events', '-f', '--types', 'change', '-n', '1'], { env })
  await until(() => following.stdout.includes('\n'))
  expect(await runCutover(['switch', 'shop', '--wait', '--force'], { env })).toMatchObject({ code: 0, stderr: '' })
  expect((await runCutover(['status'], { env })).stdout).toMatch(/ green +green +█+ +100 %/)
  await until(() => following.stdout.includes('blue 100 → green 100'))
  following.process.kill('SIGINT')
  await following.ended
})

test('one of several addresses may be a socket file; one that is not there is named as it was written', async () => {
  const missing = `unix:${folder}/none.sock`
  const both = await runCutover(['status'], { env: { CUTOVER_ADMIN: `127.0.0.1:2,${missing},${socket}` } })
  expect([both.code, both.stderr]).toEqual([0, ''])
  const { code, stderr } = await runCutover(['status'], { env: { CUTOVER_ADMIN: 'unix:/no/such.sock' } })
  expect([code, stderr]).toEqual([
    1,
    expect.stringMatching(/^error: no answer from unix:\/no\/such\.sock \(connect ENOENT/),
  ])
})
