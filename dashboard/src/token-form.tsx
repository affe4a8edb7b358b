import { useSignal } from '@preact/signals'
import { takeToken } from './live/session.ts'

/** Asks for a token. */
export function TokenForm({ problem }: { problem: string }) {
  const isAsking = useSignal(false)
  const failure = useSignal<string | null>(null)
  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault()
    const entered = String(new FormData(event.currentTarget as HTMLFormElement).get('token') ?? '')
    isAsking.value = true
    try {
      if (await takeToken(entered)) location.reload()
    } catch (error) {
      failure.value = (error as Error).message
    } finally {
      isAsking.value = false
    }
  }
  return (
    <main class="sign-in">
      <form class="panel" onSubmit={submit}>
        <h1>
          <img src="/mark.svg" alt="" width="32" height="32" /> Cutover
        </h1>
        <label class="field wide">
          <span>Token</span>
          <input name="token" type="password" required autocomplete="current-password" autofocus />
        </label>
        <p class="refusal" role="alert">
          {failure.value ?? problem}
        </p>
        <p class="muted">
          One of <code>admin.tokens</code> of the configuration. It stays in this tab, and is forgotten when the tab is
          closed.
        </p>
        <div class="buttons">
          <button type="submit" class="primary" disabled={isAsking.value}>
            Sign in
          </button>
        </div>
      </form>
    </main>
  )
}
