import { batch, signal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import { ApiError } from '../../../src/client/create-client.ts'
import { refresh, services } from '../live/live.ts'
import { type Action, ask, asked, type Done, type Drains, type How } from './action.ts'
import { Progress } from './progress.tsx'

/** A change that was made. */
interface Made {
  readonly action: Action
  readonly done: Done
  readonly drains: Drains
}

const reason = signal('')
const isSending = signal(false)
const refusal = signal<unknown>(null)
const isSure = signal(false)
const made = signal<Made | null>(null)

/** Begins anew. `refused`: why the action was refused already; null = it was not tried. */
function clear(refused: unknown): void {
  batch(() => {
    reason.value = ''
    isSending.value = false
    refusal.value = refused
    isSure.value = false
    made.value = null
  })
}

/** Asks about an action, with what it will do; then shows how it goes. */
export function ActionDialog() {
  const dialog = useRef<HTMLDialogElement>(null)
  const action = asked.value?.action ?? null
  useEffect(() => {
    clear(asked.value?.refusal ?? null)
    if (action !== null) dialog.current?.showModal()
    else dialog.current?.close()
  }, [action])
  return (
    <dialog
      ref={dialog}
      class="action"
      aria-labelledby="action-title"
      onClose={() => {
        asked.value = null
      }}
    >
      {action !== null && !services.value?.has(action.service) && <p class="refusal">{action.service} is gone.</p>}
      {action !== null &&
        services.value?.has(action.service) &&
        (made.value === null ? (
          <Question key={action.title} action={action} />
        ) : (
          <Progress {...made.value} undo={undo} close={close} />
        ))}
    </dialog>
  )
}

function close(): void {
  asked.value = null
}

/** Makes a change, and shows how it goes. Throws ApiError. */
async function perform(action: Action, how: How): Promise<void> {
  const drains = action.drains?.() ?? { pools: [], servers: [] }
  const done = await action.run(how)
  refresh(action.service)
  made.value = { action, done, drains }
}

/** Goes the way back at once; if it is refused, asks. */
async function undo(way: Action, from: Action): Promise<void> {
  try {
    await perform(way, { reason: `undo: ${from.title}`, force: false })
  } catch (error) {
    ask(way, error)
  }
}

function Question({ action }: { action: Action }) {
  const refused = refusal.value
  // A refusal that force overrides: the change would break a promise.
  const mayForce = refused instanceof ApiError && refused.status === 409 && refused.title === 'Would break a promise'
  const isDangerous = mayForce || action.isDangerous?.() === true
  const obstacle = action.obstacle?.() ?? null
  const run = async (event: Event): Promise<void> => {
    event.preventDefault()
    if (isSending.value) return
    isSending.value = true
    try {
      await perform(action, { reason: reason.value, force: mayForce })
    } catch (error) {
      isSure.value = false
      refusal.value = error
    } finally {
      isSending.value = false
    }
  }
  return (
    <form onSubmit={run}>
      <h2 id="action-title">{action.title}</h2>
      {action.fields?.()}
      <ul class="consequences" aria-live="polite">
        {action.consequences().map((sentence) => (
          <li key={sentence}>{sentence}</li>
        ))}
      </ul>
      <label class="field wide">
        <span>Reason, for the history</span>
        <input
          type="text"
          maxLength={500}
          value={reason.value}
          onInput={({ currentTarget }) => {
            reason.value = currentTarget.value
          }}
        />
      </label>
      {obstacle !== null && <p class="refusal">{obstacle}</p>}
      {refused !== null && <Refusal error={refused} />}
      {isDangerous && (
        <label class="sure">
          <input
            type="checkbox"
            checked={isSure.value}
            onChange={({ currentTarget }) => {
              isSure.value = currentTarget.checked
            }}
          />
          {mayForce
            ? 'Do it although it breaks this promise; the history says so.'
            : 'Yes: requests will fail because of it.'}
        </label>
      )}
      <div class="buttons">
        <button type="button" onClick={close}>
          Cancel
        </button>
        <button
          type="submit"
          class={isDangerous ? 'dangerous' : 'primary'}
          disabled={isSending.value || obstacle !== null || (isDangerous && !isSure.value)}
        >
          {isSending.value ? 'Asking…' : mayForce ? `${action.verb()} anyway` : action.verb()}
        </button>
      </div>
    </form>
  )
}

/** The refusal in the API's own words. */
function Refusal({ error }: { error: unknown }) {
  const title = error instanceof ApiError ? error.title : 'No answer'
  const detail = error instanceof Error ? error.message : String(error)
  const problems = error instanceof ApiError ? error.problems : []
  const help = error instanceof ApiError ? error.body.help : undefined
  return (
    <div class="refusal" role="alert">
      <b>{title}</b>
      <p>{detail}</p>
      {problems.length > 0 && (
        <ul>
          {problems.map(({ path, message }) => (
            <li key={path}>
              <code>{path}</code>: {message}
            </li>
          ))}
        </ul>
      )}
      {help !== undefined && (
        <a href={help} target="_blank" rel="noreferrer">
          About this problem
        </a>
      )}
    </div>
  )
}
