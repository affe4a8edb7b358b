import { useEffect } from 'preact/hooks'
import { ActionDialog } from './actions/action-dialog.tsx'
import { ago } from './format.ts'
import { Help, isHelpOpen } from './help.tsx'
import { services, trouble } from './live/live.ts'
import { caller, signOut, token, tokenProblem } from './live/session.ts'
import { now } from './parts/now.ts'
import { linkTo, type Route, route } from './route.ts'
import { TokenForm } from './token-form.tsx'
import { EventsView } from './views/events.tsx'
import { ExplainView } from './views/explain.tsx'
import { Caveats, FleetView } from './views/fleet.tsx'
import { HistoryView } from './views/history.tsx'
import { Overview } from './views/overview.tsx'
import { RolloutView } from './views/rollouts.tsx'
import { ServiceView } from './views/service.tsx'

const LINKS = [
  ['overview', 'Services', linkTo()],
  ['fleet', 'Fleet', linkTo('fleet')],
  ['events', 'Events', linkTo('events')],
  ['explain', 'Explain', linkTo('explain')],
] as const

/** The page: its navigation, what is wrong with the connection, and the view that the address names. */
export function App() {
  useEffect(() => {
    addEventListener('keydown', onKey)
    return () => removeEventListener('keydown', onKey)
  }, [])
  useTitle(route.value)
  if (tokenProblem.value !== null) return <TokenForm problem={tokenProblem.value} />
  const top =
    route.value.view === 'service' || route.value.view === 'rollout' || route.value.view === 'history'
      ? 'overview'
      : route.value.view
  return (
    <>
      <button type="button" class="skip" onClick={toMain}>
        To the content
      </button>
      <header class="top">
        <a class="brand" href={linkTo()}>
          <img src="/mark.svg" alt="" width="24" height="24" />
          Cutover
        </a>
        <nav aria-label="Views">
          {LINKS.map(([view, text, href]) => (
            <a key={view} href={href} aria-current={top === view ? 'page' : undefined}>
              {text}
            </a>
          ))}
        </nav>
        <span class="who">
          {caller.value !== null && (
            <span class="muted" title={`Cutover ${caller.value.version}`}>
              {caller.value.name} ({caller.value.role}) at {caller.value.instance}
            </span>
          )}
          {token.value !== '' && (
            <button type="button" class="plain" onClick={signOut}>
              Sign out
            </button>
          )}
          <button
            type="button"
            class="plain"
            aria-label="Keyboard shortcuts"
            onClick={() => {
              isHelpOpen.value = true
            }}
          >
            ?
          </button>
        </span>
      </header>
      <Connection />
      <main id="main" tabIndex={-1}>
        {route.value.view !== 'fleet' && <Caveats />}
        <View route={route.value} />
      </main>
      <ActionDialog />
      <Help />
    </>
  )
}

function View({ route: shown }: { route: Route }) {
  switch (shown.view) {
    case 'overview':
      return <Overview />
    case 'service':
      return <ServiceView key={shown.service} name={shown.service} />
    case 'rollout':
      return <RolloutView key={shown.rollout} service={shown.service} id={shown.rollout} />
    case 'history':
      return <HistoryView key={shown.service} service={shown.service} />
    case 'explain':
      return <ExplainView key={shown.service} service={shown.service} />
    case 'fleet':
      return <FleetView />
    case 'events':
      return <EventsView key={shown.service} service={shown.service} />
    case 'unknown':
      return (
        <>
          <h1 tabIndex={-1}>Nothing here</h1>
          <p class="nothing">
            There is no such view. <a href={linkTo()}>All services</a>
          </p>
        </>
      )
  }
}

/** Says why the page is not up to date, and how old it is. */
function Connection() {
  const { text, since } = trouble.value ?? {}
  return (
    <div role="status" aria-live="polite">
      {since !== undefined && (
        <p class="connection">
          {text} Trying again. {services.value === null ? '' : `What you see is from ${ago(since, now.value)} ago.`}
        </p>
      )}
    </div>
  )
}

function useTitle(shown: Route): void {
  const about =
    'service' in shown && shown.service !== null ? shown.service : shown.view === 'overview' ? '' : shown.view
  useEffect(() => {
    document.title = about === '' ? 'Cutover' : `${about} – Cutover`
  }, [about])
}

function toMain(): void {
  document.getElementById('main')?.focus()
}

/** At once, so that no letter typed after it is lost; in a view without a search, that of the services. */
function toSearch(): void {
  const search = document.getElementById('search')
  search?.focus()
  if (search !== null || route.value.view === 'overview') return
  // The heading of the new view takes the focus before.
  addEventListener('hashchange', () => setTimeout(() => document.getElementById('search')?.focus()), { once: true })
  location.hash = linkTo()
}

const PLACES: Readonly<Record<string, string>> = {
  s: linkTo(),
  f: linkTo('fleet'),
  e: linkTo('events'),
  x: linkTo('explain'),
}
let isGoing = false

function onKey(event: KeyboardEvent): void {
  const { key, target, ctrlKey, metaKey, altKey } = event
  const isTyping = target instanceof HTMLElement && target.closest('input, textarea, select, dialog') !== null
  if (isTyping || ctrlKey || metaKey || altKey) return
  if (isGoing && key in PLACES) location.hash = PLACES[key] as string
  isGoing = key === 'g'
  if (key === '/') {
    event.preventDefault()
    toSearch()
  }
  if (key === '?') isHelpOpen.value = true
}
