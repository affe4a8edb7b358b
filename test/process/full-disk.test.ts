import { spawnSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { Cutover } from '../support/cutover.ts'
import { Load } from '../support/load.ts'
import { until } from '../support/until.ts'
import { endAll, endWithAll, isAlive, pids, pool, upstream } from './support.ts'

afterEach(endAll)

/**
 * Wrapper that mounts a small file system at `dataPath` in a namespace of its own, then executes the command after it.
 */
function onSmallDisk(dataPath: string): readonly string[] {
  return ['unshare', '-rm', 'sh', '-c', 'mount -t tmpfs -o size=256k tmpfs "$0" && exec "$@"', dataPath]
}

const canMount =
  process.platform === 'linux' && spawnSync('unshare', ['-rm', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt']).status === 0

test.runIf(canMount)(
  'a full disk is reported by /health before the next change, loses no request and no state, and ends once there is room',
  async () => {
    const dataPath = await mkdtemp(join(tmpdir(), 'cutover-small-'))
    endWithAll(() => rm(dataPath, { recursive: true, force: true }))
    const [blue, green] = [await upstream('blue1'), await upstream('green1')]
    const service = { pools: { blue: pool(blue), green: pool(green) }, split: { blue: 100 }, health: 'off' }
    const services = { shop: service }
    const cutover = await Cutover.start({ services, proxy: { workers: 2 }, dataPath, wrapper: onSmallDisk })
    endWithAll(() => cutover.stop('SIGKILL'))
    await cutover.api('POST', '/api/services/shop/switch?wait=10s', { to: 'green' })
    const load = new Load({ url: `${cutover.proxy}/`, clients: 10, names: ['green1'] })
    const store = async () => (await cutover.api('GET', '/health')).body.parts.store
    expect(await store()).toEqual({ status: 'ok', detail: null })
    const filler = join(`/proc/${cutover.process.pid}/root`, dataPath, 'filler')
    // Fills the disk: the write fails once there is no room left.
    await writeFile(filler, Buffer.alloc(1 << 20)).catch(() => undefined)

    await until(async () => (await store()).status === 'degraded', 20_000)
    expect((await store()).detail).toMatch(/cannot be written: the disk is full \(ENOSPC\). Free some space there/)
    expect((await cutover.api('GET', '/metrics')).body).toMatch(/^cutover_store_writable 0$/m)
    // A few more changes may fit into the last block of the log.
    let refused = await cutover.api('POST', '/api/servers/blue1/drain')
    for (let tries = 0; tries < 50 && refused.status === 200; tries++)
      refused = await cutover.api('POST', `/api/servers/blue1/${tries % 2 === 0 ? 'enable' : 'drain'}`)
    expect([refused.status, refused.body.title]).toEqual([503, 'The store takes no changes'])
    expect(refused.body.detail).toMatch(/the disk is full.*Free some space there\. Nothing was changed/)

    const [control = -1] = await pids(cutover, 'control')
    process.kill(control, 'SIGKILL')
    await until(() => !isAlive(control))
    await until(async () => (await cutover.api('GET', '/ready')).status === 200, 30_000)
    expect((await cutover.api('GET', '/api/services/shop')).body.split).toEqual({ blue: 0, green: 100 })
    await until(async () => (await store()).status === 'degraded', 20_000)

    await rm(filler)
    await until(async () => (await store()).status === 'ok', 20_000)
    const { failed } = await load.stop()
    expect(failed).toBe(0)
    expect((await cutover.api('POST', '/api/servers/blue1/disable')).status).toBe(200)
    // Each process logs one line, no matter how many tries failed.
    const lines = cutover.stderr.split('\n').filter((line) => line.includes('the store takes no changes'))
    expect(lines.length).toBeLessThanOrEqual(2)
  },
  90_000,
)
