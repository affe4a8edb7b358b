import { lines, type Panel, states } from './panels.ts'
import { rate, series } from './select.ts'

const SERVER = 'service, pool, server'
const LEGEND = '{{service}} {{pool}} {{server}}'

const maxOf = (name: string, ...matchers: string[]): string => `max by (${SERVER}) (${series(name, ...matchers)})`

/** Servers: drains and health. */
export const SERVER_PANELS: readonly Panel[] = [
  states({
    title: 'State of the servers',
    description:
      'As set by people. A server in drain gets no new requests; the panel below shows those that it still has.',
    queries: { [LEGEND]: `${maxOf('server_state', 'state="drain"')} + 2 * ${maxOf('server_state', 'state="maint"')}` },
    states: [
      ['ready', 'green'],
      ['drain', 'yellow'],
      ['maint', 'blue'],
    ],
  }),
  states({
    title: 'Health of the servers',
    description:
      'As found by checks (down) and by the outcomes of requests (ejected), at the instance that likes it least.',
    queries: { [LEGEND]: `min by (${SERVER}) (${series('server_up')}) + 2 * ${maxOf('server_ejected')}` },
    states: [
      ['down', 'red'],
      ['up', 'green'],
      ['ejected', 'orange'],
      ['ejected', 'orange'],
    ],
  }),
  lines({
    title: 'Requests in flight by server',
    description: 'Of all instances. A drain has ended when it is 0 and the answer of the API says drained.',
    unit: 'short',
    queries: { [LEGEND]: `sum by (${SERVER}) (${series('requests_in_flight')})` },
  }),
  lines({
    title: 'Duration of health checks',
    description: 'Of the last check of each server, at the slowest instance.',
    unit: 's',
    queries: { [LEGEND]: maxOf('probe_duration_seconds') },
  }),
  lines({
    title: 'Weights and backups',
    description:
      'Weights rise while a server is in slow start. Backups in use: 1 while they take the requests of the pool.',
    unit: 'short',
    queries: {
      [LEGEND]: `min by (${SERVER}) (${series('server_weight')})`,
      'backups in use {{service}} {{pool}}': `max by (service, pool) (${series('backups_in_use')})`,
    },
  }),
  lines({
    title: 'Lookups of names',
    description:
      'By outcome. Names that are not found keep their last addresses; the log and /health say which they are.',
    unit: 'ops',
    queries: { '{{outcome}}': rate('outcome', 'dns_lookups_total') },
  }),
  lines({
    title: 'Certificates of servers',
    description: 'Time until the certificate expires that the last check has seen at the server.',
    unit: 's',
    queries: { [LEGEND]: `min by (${SERVER}) (${series('server_certificate_not_after_seconds')}) - time()` },
  }),
]
