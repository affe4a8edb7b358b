import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { Chance } from '../../support/chance.ts'
import { atEnd } from '../../support/endings.ts'
import { Load } from '../../support/load.ts'
import { until } from '../../support/until.ts'
import { freePort, startUpstream, type Upstream } from '../../support/upstream.ts'
import { ask, start } from '../support.ts'
import { Definitions, type Drawing, PATHS, servicesOf } from './definitions.ts'

const SECONDS = Number(process.env.HANDOVER_SECONDS ?? 12)
const SEED = Number(process.env.HANDOVER_SEED ?? Math.floor(Math.random() * 1e9))

/** Servers by URL; those that are not started yet are null. */
class Servers {
  private readonly all = new Map<string, Upstream | null>()

  readonly reserve = async (): Promise<string> => {
    const url = `http://127.0.0.1:${await freePort()}`
    this.all.set(url, null)
    return url
  }

  /** Starts the servers of these definitions that are not started yet, each in its own time. */
  async begin(drawing: Drawing, chance: Chance): Promise<void> {
    const waiting = urlsOf(drawing).filter((url) => this.all.get(url) === null)
    const lateness = waiting.map((url) => ({ url, ms: chance.percent(40) ? 0 : chance.between(1, 500) }))
    await Promise.all(
      lateness.map(async ({ url, ms }) => {
        // How late it is, is what is random here.
        await delay(ms)
        this.all.set(url, await startUpstream(undefined, { name: 'app', port: Number(new URL(url).port) }))
      }),
    )
  }

  /** Ends the servers that these definitions do not have. */
  async keepOnly(drawing: Drawing): Promise<void> {
    const kept = urlsOf(drawing)
    for (const [url, server] of this.all) {
      if (kept.includes(url)) continue
      this.all.delete(url)
      await server?.close()
    }
  }

  async close(): Promise<void> {
    for (const server of this.all.values()) await server?.close()
  }
}

function urlsOf(drawing: Drawing): string[] {
  return [...drawing.values()].flatMap(({ servers }) => Object.values(servers))
}

test(
  'random changes of definition under load, with servers that start late or not at all: no request fails',
  async () => {
    const chance = new Chance(SEED)
    const servers = new Servers()
    atEnd(() => servers.close())
    const definitions = new Definitions(chance, servers.reserve)
    let current = await definitions.first()
    await servers.begin(current, chance)
    const cutover = await start({ services: servicesOf(current), proxy: { workers: 2, accessLog: 'off' } })
    for (const path of PATHS) await until(async () => (await ask(cutover, path)).status === 200)
    const loads = PATHS.map((path) => new Load({ url: `${cutover.proxy}${path}`, clients: 3, names: ['app'] }))
    const counts = { changes: 0, waited: 0, abandoned: 0 }
    const endsAt = performance.now() + SECONDS * 1000
    const applied: object[] = []
    while (performance.now() < endsAt) {
      current = await definitions.next(current)
      const services = servicesOf(current)
      applied.push(services)
      counts.changes++
      await cutover.configure({ services, proxy: { workers: 2, accessLog: 'off' } })
      if (chance.percent(25)) {
        // Its new servers do not start before the next change.
        expect((await cutover.api('POST', '/api/config/reload?force')).status).toBe(200)
        counts.abandoned++
        await Promise.all(loads.map((load) => load.more(20)))
      } else {
        const reloaded = cutover.api('POST', '/api/config/reload?force&wait=20s')
        await servers.begin(current, chance)
        const { status, body } = await reloaded
        expect([status, body.detail]).toEqual([200, undefined])
        counts.waited++
        await servers.keepOnly(current)
      }
      const failures = loads.map((load) => load.figures().failures)
      if (failures.some((each) => Object.keys(each).length > 0)) break
    }
    const figures = await Promise.all(loads.map((load) => load.stop()))
    const requests = figures.reduce((sum, { completed }) => sum + completed, 0)
    const handovers = cutover.stderr.split('\n').filter((line) => line.includes('a new definition waits')).length
    const summary = `HANDOVER_SEED=${SEED} HANDOVER_SECONDS=${SECONDS}: ${JSON.stringify(counts)}, ${handovers} handovers, ${requests} requests`
    console.log(summary)
    const failures = figures.map((each) => each.failures)
    if (failures.some((each) => Object.keys(each).length > 0)) console.log(JSON.stringify(applied.slice(-3), null, 1))
    expect(failures).toEqual(PATHS.map(() => ({})))
    expect(Math.min(...figures.map(({ completed }) => completed))).toBeGreaterThan(0)
    expect(handovers).toBeGreaterThan(SECONDS / 6)
  },
  SECONDS * 1000 + 60_000,
)
