import { render } from 'preact'
import { App } from './app.tsx'
import { reportSuccess, reportTrouble, start } from './live/live.ts'
import { signIn } from './live/session.ts'
import './styles/page.css'

/** Pause before another attempt to reach the instance, ms. */
const RETRY_MS = 2_000

render(<App />, document.getElementById('app') as HTMLElement)
void begin()

async function begin(): Promise<void> {
  for (;;) {
    try {
      const isIn = await signIn()
      reportSuccess('sign-in')
      if (isIn) start()
      return
    } catch (error) {
      reportTrouble('sign-in', error)
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
    }
  }
}
