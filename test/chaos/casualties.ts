/** A request without a right answer, and the connection that it was sent on. Times are of `monotonicMs`. */
export interface Failure {
  readonly id: string
  readonly seat: string
  readonly service: string
  /** The client's; 0 where there was no connection. */
  readonly port: number
  readonly openedAt: number
  readonly sentAt: number
  readonly failedAt: number
  readonly cause: string
}

/** A kill, and the connections that it may have broken. */
interface Casualty {
  readonly why: string
  readonly seat: string
  readonly since: number
  /** Connections opened later are none of them. */
  openedUntil: number
  /** null = all of the instance. */
  readonly ports: ReadonlySet<number> | null
}

/** A client may notice the end of its connection this much before the kill is noted here. */
const EARLY_MS = 5

/** Knows which connections killed processes held: only those may break. */
export class Casualties {
  readonly #casualties: Casualty[] = []

  /** A worker that held these connections is killed, or hangs for so long that it may be. */
  worker(seat: string, ports: ReadonlySet<number>, at: number, why = 'worker killed'): void {
    this.#casualties.push({ why, seat, since: at, openedUntil: at, ports })
  }

  /** An instance is killed; returns what is to be called when another one is in its place. */
  instance(seat: string, at: number): (at: number) => void {
    const casualty: Casualty = {
      why: 'instance killed',
      seat,
      since: at,
      openedUntil: Number.POSITIVE_INFINITY,
      ports: null,
    }
    this.#casualties.push(casualty)
    return (backAt) => {
      casualty.openedUntil = backAt
    }
  }

  /** What explains a failure, or null. An answer that is wrong is explained by nothing. */
  explain({ seat, port, openedAt, failedAt, cause }: Failure): string | null {
    if (!/^(broken off|closed unanswered|not connected|hang)/.test(cause)) return null
    const found = this.#casualties.find(
      (each) =>
        each.seat === seat &&
        failedAt >= each.since - EARLY_MS &&
        openedAt <= each.openedUntil + EARLY_MS &&
        (each.ports === null || each.ports.has(port)),
    )
    return found?.why ?? null
  }
}
