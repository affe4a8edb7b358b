// npm run grafana: writes deploy/grafana/cutover.json, the dashboard for Grafana.
import { writeFileSync } from 'node:fs'
import { DEPLOYMENT_PANELS } from './grafana/deployment-panels.ts'
import { EVENT_PANELS } from './grafana/event-panels.ts'
import { FLEET_PANELS } from './grafana/fleet-panels.ts'
import { DATA_SOURCE, type Panel } from './grafana/panels.ts'
import { POLICY_PANELS } from './grafana/policy-panels.ts'
import { PROCESS_PANELS } from './grafana/process-panels.ts'
import { REQUEST_PANELS } from './grafana/request-panels.ts'
import { ROLLOUT_PANELS } from './grafana/rollout-panels.ts'
import { series } from './grafana/select.ts'
import { SERVER_PANELS } from './grafana/server-panels.ts'
import { TLS_PANELS } from './grafana/tls-panels.ts'

const FILE = new URL('../deploy/grafana/cutover.json', import.meta.url)
const COLUMNS = 24
/** Of Grafana 12 and 13. */
const SCHEMA_VERSION = 42

const ROWS: readonly { readonly title: string; readonly panels: readonly Panel[]; readonly collapsed?: boolean }[] = [
  { title: 'Deployment', panels: DEPLOYMENT_PANELS },
  { title: 'Rollouts', panels: ROLLOUT_PANELS },
  { title: 'Drains and health', panels: SERVER_PANELS },
  { title: 'Convergence and store', panels: FLEET_PANELS },
  { title: 'Requests', panels: REQUEST_PANELS },
  { title: 'Processes', panels: PROCESS_PANELS },
  { title: 'TLS of listeners', panels: TLS_PANELS, collapsed: true },
  { title: 'Events and webhooks', panels: EVENT_PANELS, collapsed: true },
  { title: 'Traffic policies', panels: POLICY_PANELS, collapsed: true },
]

/** The dashboard as Grafana imports it. */
export function dashboard(): object {
  return {
    uid: 'cutover',
    title: 'Cutover',
    description:
      'Deployments through Cutover: versions side by side, the split, drains, and what each instance has in force.',
    tags: ['cutover'],
    schemaVersion: SCHEMA_VERSION,
    version: 1,
    editable: true,
    graphTooltip: 1,
    refresh: '10s',
    time: { from: 'now-30m', to: 'now' },
    timezone: 'browser',
    templating: { list: variables() },
    annotations: { list: annotations() },
    links: [],
    panels: layOut(),
  }
}

function variables(): readonly object[] {
  const all = { includeAll: true, allValue: '.*', multi: true, current: { text: ['All'], value: ['$__all'] } }
  return [
    { name: 'datasource', label: 'Data source', type: 'datasource', query: 'prometheus', current: {}, regex: '' },
    { ...query('job', 'Fleet', 'label_values(cutover_revision, job)'), current: {} },
    { ...query('service', 'Service', 'label_values(cutover_split_percent{job="$job"}, service)'), ...all },
    { ...query('instance', 'Instance', 'label_values(cutover_revision{job="$job"}, instance)'), ...all },
    {
      name: 'rate',
      label: 'Rates over',
      description: 'At least four times the interval of the scraping.',
      type: 'interval',
      query: '30s,1m,2m,5m,15m,1h',
      current: { text: '1m', value: '1m' },
      auto: false,
    },
  ]
}

function query(name: string, label: string, text: string): object {
  return {
    name,
    label,
    type: 'query',
    datasource: DATA_SOURCE,
    definition: text,
    query: { query: text, refId: name },
    // When the range of time changes.
    refresh: 2,
    // By name.
    sort: 1,
    regex: '',
  }
}

function annotations(): readonly object[] {
  const annotation = (name: string, color: string, expr: string, titleFormat: string): object => ({
    name,
    enable: true,
    iconColor: color,
    datasource: DATA_SOURCE,
    target: { refId: 'Anno', expr, interval: '10s' },
    titleFormat,
    textFormat: '',
    tagKeys: '',
  })
  const changed = (by: string, name: string): string => `max by (${by}) (changes(${series(name)}[$rate])) > 0`
  const draining = `max by (service, pool, server) (${series('server_state', 'state="drain"')}) == 1`
  return [
    annotation(
      'Changes of the split',
      'blue',
      changed('service, pool', 'split_percent'),
      'Share of {{service}} {{pool}} changed',
    ),
    {
      ...annotation('Changes of the revision', 'purple', changed('job', 'revision'), 'A change was made'),
      enable: false,
    },
    annotation('Drains', 'yellow', draining, '{{server}} ({{service}} {{pool}}) in drain'),
  ]
}

/** Places the panels from left to right, below a heading for each row. */
function layOut(): readonly object[] {
  const placed: object[] = []
  let id = 0
  let y = 0
  for (const { title, panels, collapsed = false } of ROWS) {
    const row = { type: 'row', id: ++id, title, collapsed, gridPos: { x: 0, y: y++, w: COLUMNS, h: 1 } }
    const inside: object[] = []
    let x = 0
    for (const { width, height, ...panel } of panels) {
      if (x + width > COLUMNS) {
        x = 0
        y += height
      }
      inside.push({ id: ++id, gridPos: { x, y, w: width, h: height }, datasource: DATA_SOURCE, ...panel })
      x += width
    }
    y += panels.at(-1)?.height ?? 0
    placed.push({ ...row, panels: collapsed ? inside : [] }, ...(collapsed ? [] : inside))
  }
  return placed
}

if (process.argv[1] === import.meta.filename) writeFileSync(FILE, `${JSON.stringify(dashboard(), null, 2)}\n`)
