import type { AccessRecord } from '../telemetry/access-log/access-record.ts'
import type { TracedRequest, TracedTry } from '../telemetry/tracing/traced-request.ts'
import type { Client } from './client/client.ts'
import type { ClientStream } from './client/client-stream.ts'
import { originForm } from './client/guard.ts'
import type { RequestHead } from './client/request-head.ts'
import { newSpanId, spanIdOf, traceIdOf, withSpanId } from './client/trace-context.ts'
import type { ErrorCode } from './errors.ts'
import type { PoolRoute } from './routing/pool-route.ts'
import type { TryTrace } from './routing/try-outcome.ts'
import type { Target } from './upstream/target.ts'
import { TRACEPARENT, TRACESTATE } from './wire.ts'

/** A request whose trace is recorded. */
export interface Traced {
  readonly stream: Pick<ClientStream, 'method' | 'target' | 'version' | 'body'>
  readonly client: Pick<Client, 'address' | 'trusted' | 'tls'>
  readonly head: RequestHead
  /** Path and query for the server. */
  readonly path: string
  readonly startedAt: number
  /** Time at which the last try had a connection, monotonic ms; 0 = not yet. */
  readonly connectedAt: number
  /** Status for the client; 0 = none yet. */
  readonly status: number
}

/** One try, with times in monotonic ms. */
interface Try {
  readonly spanId: string
  readonly pool: PoolRoute
  readonly target: Target
  readonly beganAt: number
  /** 0 = not yet. */
  endedAt: number
  connectMs: number | null
  status: number
  /** null = the try was given up, for the reason for which the request ends. */
  error: ErrorCode | '' | null
}

/** Notes the tries of a request whose trace is recorded, for the spans that are made when it has ended. */
export class RequestTrace implements TryTrace {
  private readonly request: Traced
  private readonly tries: Try[] = []
  /** What `traceparent` names as the parent at the server; the first try has the span of the lines for all tries. */
  private traceparent: string

  constructor(request: Traced) {
    this.request = request
    this.traceparent = request.head.traceparent
  }

  /** A try begins; `at`: monotonic ms. */
  begin(pool: PoolRoute, target: Target, at: number): void {
    this.endTry('', at)
    const spanId = this.tries.length === 0 ? spanIdOf(this.traceparent) : newSpanId()
    this.tries.push({ spanId, pool, target, beganAt: at, endedAt: 0, connectMs: null, status: 0, error: '' })
  }

  /** Changes field lines for the server, so that `traceparent` names the span of the current try. */
  linesFor(lines: string): string {
    const before = this.traceparent
    this.traceparent = withSpanId(before, (this.tries.at(-1) as Try).spanId)
    return before === this.traceparent ? lines : lines.replace(before, this.traceparent)
  }

  answered(status: number): void {
    const current = this.tries.at(-1)
    if (current !== undefined) current.status = status
  }

  failed(code: ErrorCode | null): void {
    this.endTry(code, performance.now())
  }

  /** The request has ended, with this entry for the access log. */
  end(entry: AccessRecord): TracedRequest {
    const { stream, client, head, path, status, startedAt } = this.request
    this.endTry(entry.error as ErrorCode | '', startedAt + entry.durationMs)
    const { fields, traceparent } = head
    const received = client.trusted ? fields.joined(TRACEPARENT) : ''
    const isContinued = traceIdOf(received) === traceIdOf(traceparent)
    const agent = fields.indexOf('user-agent')
    const target = originForm(stream.target, head)
    const epoch = entry.atMs - entry.durationMs - startedAt
    return {
      entry,
      parentSpanId: isContinued ? spanIdOf(received) : '',
      traceState: isContinued ? fields.joined(TRACESTATE) : '',
      target: target.startsWith('/') ? target : '',
      scheme: head.scheme(client),
      peer: client.address,
      version: stream.version,
      userAgent: agent === -1 ? '' : fields.value(agent),
      requestBytes: stream.body.bytes,
      status,
      serverTarget: path,
      tries: this.tries.map((each) => this.traced(each, entry, epoch)),
    }
  }

  /** Ends the current try, unless it has ended. */
  private endTry(error: Try['error'], at: number): void {
    const current = this.tries.at(-1)
    if (current === undefined || current.endedAt > 0) return
    const { connectedAt } = this.request
    current.endedAt = at
    current.error = error
    if (connectedAt >= current.beganAt) current.connectMs = connectedAt - current.beganAt
  }

  /** `epoch`: milliseconds since the epoch at which the monotonic clock began. */
  private traced(each: Try, entry: AccessRecord, epoch: number): TracedTry {
    const { spanId, pool, target, beganAt, endedAt, connectMs, status, error } = each
    const { url, name } = target
    // A switch of protocols is no answer for the policies that look at answers.
    const switched = status === 0 && this.request.status === 101 ? 101 : status
    return {
      spanId,
      url,
      pool: pool.name,
      version: pool.version,
      server: name,
      beganAt: epoch + beganAt,
      // The sum may be a fraction of a microsecond late.
      endedAt: Math.min(epoch + endedAt, entry.atMs),
      connectMs,
      status: switched,
      error: error ?? entry.error,
    }
  }
}
