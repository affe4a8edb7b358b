import { Looks } from './looks.ts'
import { patience } from './patience.ts'

const PATIENCE_MS = 25_000

/**
 * Asks again and again until the answer is truthy; returns it. A question that fails counts as no: processes do not answer while
 * they are replaced. Rejects when it is not within `withinMs` of an idle machine.
 */
export async function until<T>(
  question: () => T | Promise<T>,
  withinMs: number = PATIENCE_MS,
): Promise<NonNullable<T>> {
  const since = performance.now()
  const looks = new Looks()
  for (;;) {
    let cause: unknown
    try {
      const answer = await question()
      if (answer) return answer as NonNullable<T>
    } catch (error) {
      cause = error
    }
    const limitMs = patience(withinMs)
    if (performance.now() - since > limitMs)
      throw new Error(`not within ${Math.round(limitMs)} ms: ${question}`, { cause })
    await looks.wait()
  }
}
