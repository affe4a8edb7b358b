import { signal, useSignal } from '@preact/signals'
import { useEffect, useMemo, useRef } from 'preact/hooks'
import type { Service, ServiceStats } from '../../../src/client/create-client.ts'
import { count, milliseconds, rate, share } from '../format.ts'
import { services, stats } from '../live/live.ts'
import { byUrgency, levelOf, type Remark, remarksOf } from '../live/standing.ts'
import { Chip } from '../parts/chip.tsx'
import { SearchField } from '../parts/search-field.tsx'
import { SplitBar } from '../parts/split-bar.tsx'
import { linkTo } from '../route.ts'

interface Row {
  readonly name: string
  readonly level: ReturnType<typeof levelOf>
  readonly service: Service
  readonly stats: ServiceStats | undefined
  readonly remarks: readonly Remark[]
}

/** What is searched for; kept while other views are shown. */
const query = signal('')
/** Rows above and below the screen that are there already. */
const MARGIN_ROWS = 8

/** All services: those with problems first. */
export function Overview() {
  const all = services.value
  const rows = useMemo(() => rowsOf(all, stats.value), [all, stats.value])
  const wanted = query.value.trim().toLowerCase()
  const shown = wanted === '' ? rows : rows.filter((row) => matches(row, wanted))
  const troubled = rows.filter(({ level }) => level === 'bad' || level === 'warn').length
  if (all === null) return <Loading />
  return (
    <>
      <header class="view-head">
        <h1 tabIndex={-1}>Services</h1>
        <p class="muted">
          {count(rows.length)} in all,{' '}
          {troubled === 0 ? 'all well' : `${count(troubled)} ${troubled === 1 ? 'needs' : 'need'} a look`}
        </p>
        <SearchField label="Search services" placeholder="Search: name, host, pool, server, version" query={query} />
      </header>
      {rows.length === 0 ? (
        <Empty />
      ) : shown.length === 0 ? (
        <p class="nothing" role="status">
          No service matches “{query.value}”.
        </p>
      ) : (
        <Rows rows={shown} />
      )}
    </>
  )
}

function rowsOf(all: ReadonlyMap<string, Service> | null, figures: ReadonlyMap<string, ServiceStats>): readonly Row[] {
  return [...(all ?? new Map<string, Service>()).values()]
    .map((service): Row => {
      const ofService = figures.get(service.name)
      const remarks = remarksOf(service, ofService)
      return { name: service.name, level: levelOf(remarks), service, stats: ofService, remarks }
    })
    .sort(byUrgency)
}

function matches({ name, service }: Row, wanted: string): boolean {
  const words = [name, ...service.hosts, ...service.paths]
  for (const pool of service.pools) words.push(pool.name, pool.version, ...pool.servers.map((server) => server.name))
  return words.some((word) => word.toLowerCase().includes(wanted))
}

/** Only the rows that can be seen are in the page, since there may be thousands. */
function Rows({ rows }: { rows: readonly Row[] }) {
  const list = useRef<HTMLOListElement>(null)
  const range = useSignal({ from: 0, to: 40 })
  useEffect(() => {
    const measure = (): void => {
      const element = list.current
      if (element === null) return
      const height = element.querySelector<HTMLElement>('li.service')?.offsetHeight || 64
      const top = -element.getBoundingClientRect().top
      const from = Math.max(0, Math.floor(top / height) - MARGIN_ROWS)
      const to = Math.ceil((top + innerHeight) / height) + MARGIN_ROWS
      if (from !== range.value.from || to !== range.value.to) range.value = { from, to }
      element.style.setProperty('--row', `${height}px`)
    }
    measure()
    addEventListener('scroll', measure, { passive: true })
    addEventListener('resize', measure)
    return () => {
      removeEventListener('scroll', measure)
      removeEventListener('resize', measure)
    }
  }, [range])
  const from = Math.min(range.value.from, Math.max(0, rows.length - 1))
  const shown = rows.slice(from, range.value.to)
  const after = Math.max(0, rows.length - from - shown.length)
  return (
    <ol class="services" ref={list} aria-label="Services">
      <li class="gap" aria-hidden="true" style={{ height: `calc(var(--row, 64px) * ${from})` }} />
      {shown.map((row, i) => (
        <ServiceRow key={row.name} row={row} position={from + i + 1} of={rows.length} />
      ))}
      <li class="gap" aria-hidden="true" style={{ height: `calc(var(--row, 64px) * ${after})` }} />
    </ol>
  )
}

function ServiceRow({ row, position, of }: { row: Row; position: number; of: number }) {
  const { name, service, remarks, level } = row
  const [first, ...others] = remarks
  const hosts = [...service.hosts, ...service.paths.filter((path) => path !== '/')].join(', ')
  return (
    <li class={`service ${level}`} aria-setsize={of} aria-posinset={position}>
      <a class="service-link" href={linkTo('services', name)}>
        <span class="service-name">
          <b>{name}</b>
          <span class="muted">{hosts || 'any host'}</span>
        </span>
        <SplitBar pools={service.pools} />
        <Figures stats={row.stats} />
        <span class="service-remark">
          {first === undefined ? <Chip level="ok">well</Chip> : <Chip level={first.level}>{first.text}</Chip>}
          {others.length > 0 && <span class="muted"> +{others.length}</span>}
        </span>
      </a>
    </li>
  )
}

function Figures({ stats: figures }: { stats: ServiceStats | undefined }) {
  return (
    <dl class="figures">
      <div>
        <dt>rate</dt>
        <dd>{rate(figures?.rate ?? 0)}</dd>
      </div>
      <div>
        <dt>errors</dt>
        <dd>{share(figures?.errorRate ?? null)}</dd>
      </div>
      <div>
        <dt>p95</dt>
        <dd>{milliseconds(figures?.p95 ?? null)}</dd>
      </div>
      <div>
        <dt>in flight</dt>
        <dd>{count(figures?.inFlight ?? 0)}</dd>
      </div>
    </dl>
  )
}

function Loading() {
  return (
    <header class="view-head">
      <h1 tabIndex={-1}>Services</h1>
      <p class="muted" role="status">
        Reading the state…
      </p>
    </header>
  )
}

function Empty() {
  return (
    <div class="nothing">
      <p>There are no services yet.</p>
      <p class="muted">
        Name some in the configuration file and reload it (<code>cutover reload</code>), or create one with{' '}
        <code>PUT /api/services/NAME</code>.
      </p>
    </div>
  )
}
