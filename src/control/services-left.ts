import { isDeepStrictEqual } from 'node:util'
import { own } from '../model/names.ts'
import type { Service } from '../model/state.ts'
import type { Snapshot } from '../store/store.ts'
import type { KeptDefinitions } from './handovers.ts'
import type { Resolve } from './resolve.ts'
import type { ServicesInForce } from './routing-tables.ts'

/**
 * Returns the services that the proxies serve by what a previous control process has left: its state, and the
 * definitions that it kept in force.
 */
export function servicesLeft(
  { documents }: Pick<Snapshot, 'documents'>,
  kept: KeptDefinitions | null,
  resolve: Resolve,
): ServicesInForce {
  return (state) => {
    const left = Object.entries({ ...documents.services, ...kept?.services })
    const services = left.flatMap(([name, document]): [string, Service][] => {
      if (document === null) return []
      const current = own(state.services, name)
      if (current !== undefined && isDeepStrictEqual(current.source, document.source)) return [[name, current]]
      const resolved = resolve(name, document.source)
      return resolved.ok ? [[name, { ...document, spec: resolved.spec }]] : []
    })
    return { services: Object.fromEntries(services), since: kept?.since ?? {} }
  }
}
