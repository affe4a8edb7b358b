import type { HookTag } from '../../hooks/types.ts'
import type { HookName } from '../../model/hooks.ts'
import type { ErrorCode } from '../errors.ts'
import type { OwnAnswer } from '../own-answer.ts'
import type { PolicySubject } from '../policy-lines.ts'
import type { PoolRoute } from '../routing/pool-route.ts'
import type { ServiceRoute } from '../routing/service-route.ts'
import type { PoolChooser } from '../routing/tries.ts'
import { linesOf, RequestHeaderView, ResponseView } from './header-view.ts'
import { answerOf, kindOf } from './hook-answer.ts'
import type { HooksInForce } from './hooks-in-force.ts'
import { checkTags, RequestView } from './request-view.ts'

/** A request that hooks are called for. */
export interface HookSubject extends PolicySubject {
  readonly stream: { destroy(): void }
  /** Path and query for the server. */
  path: string
  /** Answers it without a server. */
  answer(own: OwnAnswer): void
  fail(code: ErrorCode): void
}

/** The hooks for a request that begins now; null = there are none. */
export function hookedRequest(inForce: HooksInForce | null, subject: HookSubject): HookedRequest | null {
  return inForce === null ? null : new HookedRequest(inForce, subject)
}

/** Calls the hooks for one request. */
export class HookedRequest implements PoolChooser {
  private readonly inForce: HooksInForce
  private readonly subject: HookSubject
  private readonly view: RequestView
  isThrough = false
  /** Whether the promise of `request` is awaited. */
  private isWaiting = false
  private timer: NodeJS.Timeout | null = null
  /** Name of the chosen pool; null = routes and split decide; undefined = the hook was not asked yet. */
  private chosen: string | null | undefined
  /** Whether an error of a hook has ended the request. */
  private hasFailed = false

  constructor(inForce: HooksInForce, subject: HookSubject) {
    this.inForce = inForce
    this.subject = subject
    this.view = new RequestView(subject)
  }

  /** Calls `request`; the request goes on, is answered or fails at once, or when the promise of the hook settles. */
  begin(): void {
    const { hooks } = this.inForce
    let result: unknown
    let isPromise: boolean
    try {
      result = hooks.request?.(this.view)
      isPromise = isThenable(result)
    } catch (error) {
      this.requestFailed(error)
      return
    }
    if (isPromise) this.awaitResult(result as PromiseLike<unknown>)
    else this.requested(result)
  }

  /** The client has left, or the request was cut: nothing is awaited any more. */
  leave(): void {
    this.isWaiting = false
    if (this.timer !== null) clearTimeout(this.timer)
  }

  poolFor(route: ServiceRoute): PoolRoute | null | 'failed' {
    if (this.chosen === null) return null
    const before = this.chosen === undefined ? null : route.choosable(this.chosen)
    if (before !== null) return before
    const { hooks } = this.inForce
    this.chosen = null
    try {
      const name: unknown = hooks.choosePool?.(this.view, route.poolViews)
      if (name === undefined) return null
      if (typeof name !== 'string') throw wrongResult('choosePool', name, 'the name of a pool, or undefined,')
      const pool = route.choosable(name)
      if (pool === null) throw new RangeError(`choosePool has chosen ${JSON.stringify(name)}; ${whyNot(route)}`)
      this.chosen = name
      return pool
    } catch (error) {
      return this.failed('choosePool', error) ? 'failed' : null
    }
  }

  /** Changes field lines for the server as `setHeader` was told in `request`. */
  withSetFields(lines: string): string {
    return RequestView.withSetFields(this.view, lines)
  }

  /** Calls `upstreamRequest` with the field lines for a server. Returns them with its changes; null = it has failed. */
  requestLines(lines: string): string | null {
    const { hooks } = this.inForce
    if (hooks.upstreamRequest === undefined) return lines
    try {
      const header = new RequestHeaderView(lines)
      refuseResult('upstreamRequest', hooks.upstreamRequest(this.view, header))
      return linesOf(header)
    } catch (error) {
      return this.failed('upstreamRequest', error) ? null : lines
    }
  }

  /**
   * Calls `response` with the field lines for the client and the status, which it may change. Returns the lines with its
   * changes; null = it has failed. The answer to a request whose hook has failed is left as it is.
   */
  responseLines(lines: string): string | null {
    const { hooks } = this.inForce
    if (hooks.response === undefined || this.hasFailed) return lines
    try {
      const response = new ResponseView(this.subject.status, lines)
      refuseResult('response', hooks.response(this.view, response))
      this.subject.status = response.status
      return linesOf(response)
    } catch (error) {
      return this.failed('response', error) ? null : lines
    }
  }

  /** Calls `log`. Returns the fields for the access log; null = none. */
  tags(): Readonly<Record<string, HookTag>> | null {
    const { hooks } = this.inForce
    const before = RequestView.tagsOf(this.view)
    let tags = before
    if (hooks.log !== undefined) {
      try {
        tags = { ...before }
        refuseResult('log', hooks.log(this.view, tags))
        checkTags(tags)
      } catch (error) {
        tags = before
        this.failed('log', error)
      }
    }
    return Object.keys(tags).length === 0 ? null : tags
  }

  private awaitResult(result: PromiseLike<unknown>): void {
    const { timeoutMs } = this.inForce
    this.isWaiting = true
    this.timer = setTimeout(() => {
      this.settle(() => this.requestFailed(new Error(`request took longer than ${timeoutMs} ms`)))
    }, timeoutMs)
    result.then(
      (value) => this.settle(() => this.requested(value)),
      (error: unknown) => this.settle(() => this.requestFailed(error)),
    )
  }

  /** Goes on after the wait for a promise, unless that is over already. */
  private settle(goOn: () => void): void {
    if (!this.isWaiting) return
    this.leave()
    try {
      goOn()
    } catch {
      // An error in the handling of one request must not affect others.
      this.subject.stream.destroy()
    }
  }

  private requested(result: unknown): void {
    const path = RequestView.settle(this.view)
    if (result === undefined) {
      if (path !== null) this.subject.path = path
      this.goOn()
      return
    }
    let answer: OwnAnswer
    try {
      answer = answerOf(result, this.subject.requestId)
    } catch (error) {
      this.requestFailed(error)
      return
    }
    this.subject.answer(answer)
  }

  private requestFailed(error: unknown): void {
    RequestView.reset(this.view)
    if (this.failed('request', error)) this.subject.fail('hook_failed')
    else this.goOn()
  }

  private goOn(): void {
    this.isThrough = true
    // The table, and the mode of the service, may have changed while the hook was awaited.
    this.subject.tries?.advance()
  }

  /** Records an error. Returns whether the request fails because of it. */
  private failed(hook: HookName, error: unknown): boolean {
    const { errors, ignoresErrors } = this.inForce
    errors.add(hook, error, this.view.service)
    if (!ignoresErrors) this.hasFailed = true
    return !ignoresErrors
  }
}

function isThenable(result: unknown): result is PromiseLike<unknown> {
  return typeof result === 'object' && result !== null && 'then' in result && typeof result.then === 'function'
}

/** Throws if a hook has returned something. */
function refuseResult(hook: HookName, result: unknown): void {
  if (result !== undefined) throw wrongResult(hook, result, 'nothing')
}

function wrongResult(hook: HookName, result: unknown, expected: string): Error {
  if (!isThenable(result)) return new TypeError(`${hook} must return ${expected} not ${kindOf(result)}`)
  // Nobody awaits it, so its error would count as one of this process.
  result.then(undefined, () => undefined)
  return new TypeError(`${hook} has returned a promise; only request may`)
}

/** Why a pool cannot be chosen. */
function whyNot(route: ServiceRoute): string {
  const names = route.choosableNames
  return names.length === 0
    ? 'no pool has a server that takes requests'
    : `these get requests and have a server that takes some: ${names.join(', ')}`
}
