import { useSignal } from '@preact/signals'
import type { Explanation } from '../../../src/client/create-client.ts'
import { percent } from '../format.ts'
import { client } from '../live/session.ts'
import { Chip } from '../parts/chip.tsx'
import { Crumbs } from '../parts/crumbs.tsx'

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS']

/** Which service, pool and servers a request would get, and why. */
export function ExplainView({ service }: { service: string | null }) {
  const answer = useSignal<Explanation | null>(null)
  const problem = useSignal<string | null>(null)
  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault()
    const form = new FormData(event.currentTarget as HTMLFormElement)
    const text = (name: string): string => String(form.get(name) ?? '').trim()
    const lines = (name: string): string[] =>
      text(name)
        .split('\n')
        .map((line) => line.trim())
        .filter((line) => line !== '')
    const given = Object.entries({ host: text('host'), path: text('path'), ip: text('ip') }).filter(
      ([, value]) => value !== '',
    )
    const options = {
      ...Object.fromEntries(given),
      method: text('method'),
      header: lines('header'),
      cookie: lines('cookie'),
    }
    try {
      answer.value =
        service === null ? await client.value.explain(options) : await client.value.services.explain(service, options)
      problem.value = null
    } catch (error) {
      problem.value = (error as Error).message
    }
  }
  return (
    <>
      <header class="view-head">
        {service !== null && <Crumbs service={service} />}
        <h1 tabIndex={-1}>What would a request get?</h1>
      </header>
      <form class="panel explain" onSubmit={submit}>
        <label class="field">
          <span>Method</span>
          <select name="method">
            {METHODS.map((method) => (
              <option key={method}>{method}</option>
            ))}
          </select>
        </label>
        <label class="field">
          <span>Host</span>
          <input name="host" placeholder="of the service" autocomplete="off" />
        </label>
        <label class="field">
          <span>Path and query</span>
          <input name="path" placeholder="/" autocomplete="off" />
        </label>
        <label class="field">
          <span>Address of the client</span>
          <input name="ip" placeholder="127.0.0.1" autocomplete="off" />
        </label>
        <label class="field wide">
          <span>Header fields, a line each</span>
          <textarea name="header" rows={2} placeholder="x-beta: yes" />
        </label>
        <label class="field wide">
          <span>Cookies, a line each</span>
          <textarea name="cookie" rows={2} placeholder="session=abc" />
        </label>
        <div class="buttons">
          <button type="submit" class="primary">
            Explain
          </button>
        </div>
      </form>
      <div aria-live="polite">
        {problem.value !== null && <p class="refusal">{problem.value}</p>}
        {answer.value !== null && problem.value === null && <Answer answer={answer.value} />}
      </div>
    </>
  )
}

function Answer({ answer: { service, pool, steps, pools, servers } }: { answer: Explanation }) {
  return (
    <section class="panel" aria-label="Answer">
      <h2>
        {service === null
          ? 'No service answers to it'
          : pool === null
            ? `${service}: by its shares`
            : `${service}: ${pool}`}
      </h2>
      <ol class="explained">
        {steps.map(({ step, result }) => (
          <li key={step + result}>
            <b>{step}</b> {result}
          </li>
        ))}
      </ol>
      <ul class="explained">
        {pools.map(({ name, share, gets, reason }) => (
          <li key={name}>
            <Chip level={gets === 'none' ? 'info' : 'ok'}>{gets === 'share' ? percent(share) : gets}</Chip>{' '}
            <b>{name}</b> {reason}
          </li>
        ))}
        {servers.map(({ name, may, reason }) => (
          <li key={name}>
            <Chip level={may ? 'ok' : 'info'}>{may ? 'may get it' : 'not'}</Chip> <b>{name}</b> {reason}
          </li>
        ))}
      </ul>
    </section>
  )
}
