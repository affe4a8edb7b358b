import type { ExplainedRequest, Explanation } from '../model/explain.ts'
import type { ControlEnd } from './link.ts'

/** Max time for a proxy to answer, ms. */
const ANSWER_MS = 2_000

/** Questions to proxies about how they would decide, and their answers. */
export class Explanations {
  private lastId = 0
  private readonly asked = new Map<number, (explanation: Explanation | null) => void>()

  /** Asks a proxy; resolves with null if there is none, or if it does not answer in time. */
  ask(link: ControlEnd | undefined, request: ExplainedRequest, service: string | null): Promise<Explanation | null> {
    if (link === undefined) return Promise.resolve(null)
    const id = ++this.lastId
    return new Promise((resolve) => {
      const end = (explanation: Explanation | null): void => {
        clearTimeout(timer)
        this.asked.delete(id)
        resolve(explanation)
      }
      const timer = setTimeout(end, ANSWER_MS, null)
      this.asked.set(id, end)
      link.send({ type: 'explain', id, request, service })
    })
  }

  take(id: number, explanation: Explanation): void {
    this.asked.get(id)?.(explanation)
  }
}
