import type { JsonObject } from '../model/state.ts'

/** How long the answer to a write with an Idempotency-Key is kept. Source: SPEC §4. */
export const ANSWER_MS = 24 * 3_600_000
const MAX_ANSWERS = 10_000

/** Answers by idempotency key, in memory: the newest `MAX_ANSWERS` of the last day. */
export class Answers {
  readonly #byKey = new Map<string, { readonly answer: JsonObject; readonly until: number }>()

  set(key: string, answer: JsonObject): void {
    this.#byKey.delete(key)
    this.#byKey.set(key, { answer, until: performance.now() + ANSWER_MS })
    const [oldest] = this.#byKey.keys()
    if (this.#byKey.size > MAX_ANSWERS && oldest !== undefined) this.#byKey.delete(oldest)
  }

  get(key: string): JsonObject | null {
    const kept = this.#byKey.get(key)
    return kept === undefined || kept.until < performance.now() ? null : kept.answer
  }
}
