import { Looks } from './looks.ts'
import { patience } from './patience.ts'

const PATIENCE_MS = 25_000

/** Asks again and again until the answer is truthy; returns it. Rejects when it is not within `withinMs` of an idle machine. */
export async function until<T>(
  question: () => T | Promise<T>,
  withinMs: number = PATIENCE_MS,
): Promise<NonNullable<T>> {
  const deadline = performance.now() + patience(withinMs)
  const looks = new Looks()
  for (;;) {
    const answer = await question()
    if (answer) return answer as NonNullable<T>
    if (performance.now() > deadline) throw new Error(`not within ${withinMs} ms: ${question}`)
    await looks.wait()
  }
}
