import { expect } from 'vitest'
import type { Cutover } from '../support/cutover.ts'
import { until } from '../support/until.ts'
import type { Fleet } from './support.ts'

/** Every instance has the same revision and the same routing, servers included. */
export async function expectEqual(fleet: Fleet): Promise<void> {
  const facts = async (cutover: Cutover) => {
    const { revision, services } = (await cutover.api('GET', '/api/services')).body
    const routing = services.map((service: { name: string; split: object; pools: { servers: object[] }[] }) => [
      service.name,
      service.split,
      service.pools.flatMap(({ servers }) => servers.map((each) => [(each as Named).name, (each as Named).state])),
    ])
    // The order of services is not part of the state.
    return JSON.stringify([revision, routing.sort()])
  }
  let seen: string[] = []
  const areEqual = async () => {
    seen = await Promise.all(fleet.all.map(facts))
    return new Set(seen).size === 1
  }
  await until(areEqual, 5_000).catch(() => expect(seen).toEqual(seen.map(() => seen[0])))
}

interface Named {
  readonly name: string
  readonly state: string
}
