import type { Row } from '../../telemetry/ticks/row.ts'
import type { ProxyContext } from '../context.ts'
import { type ErrorCode, isConnectionFailure, isServersFault } from '../errors.ts'
import type { Target } from '../upstream/target.ts'
import type { TryCounter } from './fuse.ts'

/** The trace of a request, which notes how its tries go. */
export interface TryTrace {
  answered(status: number): void
  /** null = the try was given up. */
  failed(code: ErrorCode | null): void
}

/** Reports how a try at a server went, for ejection, trials and figures; each try once. */
export class TryOutcome {
  private readonly context: Pick<ProxyContext, 'targets' | 'verdicts'>
  private readonly trace: TryTrace | null
  /** Begin of the current try, monotonic ms. */
  beganAt = 0
  private target: Target | null = null
  /** Counts of the server; null = this try is counted. */
  private counts: Row | null = null
  /** The fuse of a rollout; null = the try does not matter to one. */
  private fuse: TryCounter | null = null
  /** Whether this try is the trial of an ejected server, and its outcome is not reported yet. */
  private onTrial = false
  /** Whether this try has been reported as a failure of its server. */
  private isReported = false

  /** `trace`: null = the request is not traced. */
  constructor(context: Pick<ProxyContext, 'targets' | 'verdicts'>, trace: TryTrace | null) {
    this.context = context
    this.trace = trace
  }

  /** A try at a server begins. */
  begin(target: Target, counts: Row, fuse: TryCounter | null): void {
    this.beganAt = performance.now()
    this.target = target
    this.counts = counts
    this.fuse = fuse
    this.isReported = false
    this.onTrial = target.health === 'trial'
    if (this.onTrial) this.context.targets.beginTrial(target)
  }

  /** Reports the status of a response. */
  answered(status: number): void {
    this.trace?.answered(status)
    if (status >= 500) this.report(false)
    else if (this.onTrial) this.judge(true, false)
  }

  /**
   * Reports that the try has succeeded or failed. A response that begins well and then breaks off still counts as a
   * failure. `unreachable`: the connection failed.
   */
  report(ok: boolean, unreachable = false): void {
    const { counts } = this
    if (counts === null) {
      this.judge(ok, unreachable)
      return
    }
    this.counts = null
    const now = performance.now()
    counts.tried(ok, now - this.beganAt)
    this.judge(ok, unreachable)
    // Last, because it may replace the routes.
    if (this.fuse !== null) this.fuse.tried(ok, now, unreachable)
  }

  private judge(ok: boolean, unreachable: boolean): void {
    const target = this.target as Target
    if (this.onTrial) {
      this.onTrial = false
      this.isReported = !ok
      this.context.verdicts.tried(target, ok ? 'ok' : unreachable ? 'unreachable' : 'failed')
    } else if (this.isReported) return
    else if (!ok) {
      this.isReported = true
      this.context.verdicts.failed(target, unreachable)
    } else if (target.failuresInRow > 0) this.context.verdicts.served(target)
  }

  /** Reports a failure. null = the try was aborted, which says nothing about the server. */
  failed(code: ErrorCode | null): void {
    this.trace?.failed(code)
    if (code !== null && isServersFault(code)) this.report(false, isConnectionFailure(code))
    else if (this.onTrial) {
      this.onTrial = false
      this.context.targets.returnTrial(this.target as Target)
    }
  }
}
