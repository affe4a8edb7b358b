import type { HistoryEntry } from '../../../src/client/create-client.ts'
import { ask } from '../actions/action.ts'
import { rollback } from '../actions/routing.tsx'
import { dateTime } from '../format.ts'
import { services } from '../live/live.ts'
import { useResource } from '../live/resource.ts'
import { client, mayOperate } from '../live/session.ts'
import { changeLines, splitText } from '../parts/change-text.ts'
import { Crumbs } from '../parts/crumbs.tsx'
import { linkTo } from '../route.ts'

const RECENT = 5
/** Changes of the routing: decisions that can be returned to. */
const DECISIONS = new Set(['switch', 'shift', 'rollback', 'deploy', 'create'])

/** The changes of a service that are kept, newest first. `revision`: that of the service, or undefined if it is not known. */
export function useHistory(service: string, revision: number | undefined) {
  const { value, error } = useResource((signal) => client.value.services.history(service, { signal }), [service], {
    version: revision,
  })
  return { entries: value?.history ?? [], error }
}

/** The last changes of a service. */
export function RecentChanges({
  service,
  history: { entries, error },
}: {
  service: string
  history: ReturnType<typeof useHistory>
}) {
  return (
    <section aria-labelledby="changes">
      <h2 id="changes">Changes</h2>
      {error !== null && <p class="refusal">{error.message}</p>}
      <Changes entries={entries.slice(0, RECENT)} service={service} />
      {entries.length > RECENT && (
        <p class="more">
          <a href={linkTo('services', service, 'history')}>All {entries.length} changes</a>
        </p>
      )}
    </section>
  )
}

/** All changes of a service that are kept. */
export function HistoryView({ service }: { service: string }) {
  const revision = services.value?.get(service)?.revision
  const { entries, error } = useHistory(service, revision)
  return (
    <>
      <header class="view-head">
        <Crumbs service={service} />
        <h1 tabIndex={-1}>Changes of {service}</h1>
      </header>
      {error !== null && <p class="refusal">{error.message}</p>}
      <Changes entries={entries} service={service} />
    </>
  )
}

function Changes({ entries, service }: { entries: readonly HistoryEntry[]; service: string }) {
  if (entries.length === 0) return <p class="muted">None yet.</p>
  return (
    <ol class="changes">
      {entries.map((entry, i) => (
        <Change key={entry.revision} entry={entry} service={service} isPresent={i === 0} />
      ))}
    </ol>
  )
}

function Change({ entry, service, isPresent }: { entry: HistoryEntry; service: string; isPresent: boolean }) {
  const { revision, at, by, reason, action, to, forced } = entry
  const split = splitText(to)
  const lines = changeLines(entry)
  return (
    <li>
      <div class="change-head">
        <b>{action}</b>
        {forced && <span class="bad-text"> forced</span>} by {by}
        <span class="muted">
          {' '}
          · <time dateTime={at}>{dateTime(at)}</time> · revision {revision}
        </span>
        {reason !== null && <q>{reason}</q>}
      </div>
      <ul class="diff">
        {lines.map((line) => (
          <li key={line}>{line}</li>
        ))}
      </ul>
      {mayOperate.value && !isPresent && split !== null && DECISIONS.has(action) && (
        <button
          type="button"
          onClick={() => ask(rollback(service, { revision, text: split }))}
          aria-label={`Go back to here: revision ${revision}`}
        >
          Go back to here…
        </button>
      )}
    </li>
  )
}
