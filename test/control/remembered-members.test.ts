import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { RememberedMembers } from '../../src/control/fleet/remembered-members.ts'
import type { InstanceRecord } from '../../src/model/fleet.ts'

const DAY_MS = 24 * 3_600_000

let folder: string
let nowMs: number
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cutover-members-'))
  nowMs = Date.now()
})
afterEach(() => rm(folder, { recursive: true }))

function record(id: string, boot = '1'): InstanceRecord {
  const names = { id, name: id, host: 'machine', address: '', version: '1', startedAt: '' }
  const progress = { boot, sequence: 1, applied: null, busy: {}, cut: {} }
  return {
    ...names,
    ...progress,
    configuration: { hash: 'x', version: null },
    overrides: [],
    inFlight: {},
    processes: [],
  }
}

async function opened(fleet = 'redis://a cutover'): Promise<RememberedMembers> {
  const members = new RememberedMembers(
    { folder, instance: '127.0.0.1:9900', fleet },
    (message) => expect.fail(message),
    () => nowMs,
  )
  await members.load()
  return members
}

async function keep(...records: InstanceRecord[]): Promise<void> {
  const members = await opened()
  members.keep(records)
  await members.close()
}

test('the next process knows the instances of the fleet', async () => {
  await keep(record('b'), record('c'))
  expect((await opened()).recall()).toEqual([record('b'), record('c')])
})

test('a file of another fleet, or an expired one, is ignored', async () => {
  await keep(record('b'))
  expect((await opened('redis://a another-prefix')).recall()).toEqual([])
  nowMs += DAY_MS
  expect((await opened()).recall()).toEqual([])
})

test('an invalid file counts as missing; without instances there is no file', async () => {
  await keep(record('b'))
  const [name = ''] = await readdir(folder)
  await writeFile(join(folder, name), '{"instances":')
  expect((await opened()).recall()).toEqual([])
  await keep()
  expect(await readdir(folder)).toEqual([])
})

test('the file is written when instances join or leave and before it expires, not with every heartbeat', async () => {
  const members = await opened()
  const writes = async (...records: InstanceRecord[]): Promise<boolean> => {
    for (const name of await readdir(folder)) await rm(join(folder, name))
    members.keep(records)
    await members.close()
    return (await readdir(folder)).length > 0
  }
  expect(await writes(record('b'))).toBe(true)
  expect(await writes({ ...record('b'), sequence: 2 })).toBe(false)
  expect(await writes(record('b', '2'))).toBe(true)
  nowMs += 2 * 3_600_000
  expect(await writes(record('b', '2'))).toBe(true)
})

test('a failed write is repeated with the next heartbeat, and only the first of several failures is logged', async () => {
  const warnings: string[] = []
  const place = { folder: join(folder, 'missing'), instance: '127.0.0.1:9900', fleet: 'redis://a cutover' }
  await writeFile(place.folder, 'a file in the place of the folder')
  const members = new RememberedMembers(place, (message) => warnings.push(message))
  for (let beats = 0; beats < 3; beats++) {
    members.keep([record('b')])
    await members.close()
  }
  expect(warnings).toEqual([expect.stringMatching(/^the other instances cannot be kept: /)])
  await rm(place.folder)
  await mkdir(place.folder)
  members.keep([record('b')])
  await members.close()
  expect(await readdir(place.folder)).toHaveLength(1)
})
