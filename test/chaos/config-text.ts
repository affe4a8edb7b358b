import { stringify } from 'yaml'
import type { Seat } from '../support/seat.ts'
import { services } from './services.ts'

/** The configuration of an instance as YAML: of which, unlike JSON, a beginning may be a configuration, too. */
export function configText(seat: Seat, ports: Readonly<Record<string, number>>, responseSeconds: number): string {
  const { proxy, admin, store, fleet } = seat.options
  return stringify({
    proxy: { listen: '127.0.0.1:0', ...proxy },
    admin,
    store: { path: seat.dataPath, ...store },
    fleet,
    services: services(ports, responseSeconds),
  })
}
