import type { HandshakeOutcome } from '../../edge/handshake-outcome.ts'
import type { HandshakeReport } from '../../model/messages.ts'

/** Handshakes that have ended, by listener and outcome. */
export class HandshakeCounts {
  private readonly byListener = new Map<string, Map<HandshakeOutcome, number>>()

  add(listener: string, outcome: HandshakeOutcome): void {
    let counts = this.byListener.get(listener)
    if (counts === undefined) {
      counts = new Map()
      this.byListener.set(listener, counts)
    }
    counts.set(outcome, (counts.get(outcome) ?? 0) + 1)
  }

  report(): readonly HandshakeReport[] {
    return [...this.byListener].flatMap(([listener, counts]) =>
      [...counts].map(([outcome, count]) => ({ listener, outcome, count })),
    )
  }
}
