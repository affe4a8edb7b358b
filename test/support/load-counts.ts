/** What has come of the requests of a load so far. */
export interface LoadFigures {
  /** Requests, each counted once however often it was sent. */
  readonly sent: number
  readonly completed: number
  readonly failed: number
  /** Of the failed requests, those whose connection broke or could not be had. */
  readonly brokenOff: number
  /**
   * How often a request was sent again because the server had told the client that it had not processed it, or the client
   * had not sent it. Only HTTP/2 can tell.
   */
  readonly repeated: number
  /** Failed requests by what went wrong. */
  readonly failures: Readonly<Record<string, number>>
  /** Completed requests by the server that answered. */
  readonly answers: Readonly<Record<string, number>>
  /** Milliseconds from sending to the last byte of the answer. */
  readonly slowestMs: number
}

/** Counts the requests of a load by what came of them. */
export class LoadCounts {
  /** Every body that is a right answer: the names of the servers. */
  readonly names: ReadonlySet<string>
  private readonly onAnswer: ((ms: number) => void) | undefined
  sent = 0
  completed = 0
  repeated = 0
  brokenOff = 0
  slowestMs = 0
  readonly failures = new Map<string, number>()
  readonly answers = new Map<string, number>()
  private readonly waiting = new Map<number, (() => void)[]>()

  /** `onAnswer`: called with the milliseconds that each right answer took. */
  constructor(names: readonly string[], onAnswer: ((ms: number) => void) | undefined) {
    this.names = new Set(names)
    this.onAnswer = onAnswer
  }

  figures(): LoadFigures {
    const failures = Object.fromEntries(this.failures)
    const failed = [...this.failures.values()].reduce((a, b) => a + b, 0)
    const { sent, completed, brokenOff, repeated, slowestMs } = this
    const answers = Object.fromEntries(this.answers)
    return { sent, completed, failed, brokenOff, repeated, failures, answers, slowestMs }
  }

  /** Resolves when this many more requests have been completed. */
  more(count: number): Promise<void> {
    return new Promise((resolve) => {
      const at = this.completed + count
      this.waiting.set(at, [...(this.waiting.get(at) ?? []), resolve])
    })
  }

  /** Counts a complete answer as right, or as a failure if its status or its body is not what it should be. */
  judge(status: number, body: string, ms: number): void {
    // What the proxy answers itself says why.
    if (status !== 200) this.fail(body.startsWith(`${status} `) ? `status ${body.trim()}` : `status ${status}`)
    else if (!this.names.has(body)) this.fail('wrong body')
    else this.count(body, ms)
  }

  /** Counts a failed request. `cause`: what went wrong, in words. `brokeOff`: whether its connection broke, or there was none. */
  fail(cause: string, brokeOff = false): void {
    if (brokeOff) this.brokenOff++
    this.failures.set(cause, (this.failures.get(cause) ?? 0) + 1)
  }

  private count(answer: string, ms: number): void {
    this.completed++
    this.answers.set(answer, (this.answers.get(answer) ?? 0) + 1)
    if (ms > this.slowestMs) this.slowestMs = ms
    this.onAnswer?.(ms)
    if (this.waiting.size === 0) return
    for (const resolve of this.waiting.get(this.completed) ?? []) resolve()
    this.waiting.delete(this.completed)
  }
}
