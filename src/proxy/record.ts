import type { AccessRecord, LogTag } from '../telemetry/access-log/access-record.ts'
import type { RequestResult } from '../telemetry/ticks/row.ts'
import type { Client } from './client/client.ts'
import { clientAddress } from './client/client-address.ts'
import { isSampled, traceIdOf } from './client/trace-context.ts'
import type { ProxyContext } from './context.ts'
import type { ErrorCode } from './errors.ts'
import { RequestTrace, type Traced } from './request-trace.ts'
import type { Tries } from './routing/tries.ts'
import type { MirrorCall } from './upstream/mirror-call.ts'

/** Status of a response after which a tunnel has begun; how that ends is no matter of the response. */
const SWITCHING_PROTOCOLS = 101

/** A request that has ended. */
export interface Ended extends Traced {
  readonly client: Client
  readonly requestId: string
  readonly answeredAt: number
  readonly tries: Tries | null
  readonly copy: MirrorCall | null
  /** null = it is not traced, or was not forwarded. */
  readonly trace: RequestTrace | null
  /** null = it was no call of gRPC. */
  readonly grpc: { readonly status: number; httpStatus(status: number): number } | null
  readonly hooked: { tags(): Readonly<Record<string, LogTag>> | null } | null
}

/** Counts and logs a request; `bytes`: body bytes sent to the client. */
export function record(
  context: ProxyContext,
  ended: Ended,
  status: number,
  bytes: number,
  error: ErrorCode | '',
): void {
  const { stream, client, head, requestId, startedAt, connectedAt, answeredAt, tries, copy, hooked, grpc } = ended
  const durationMs = performance.now() - startedAt
  const counts = tries === null ? context.unrouted : tries.counts
  const judged = grpc === null ? status : Math.max(status, grpc.httpStatus(status))
  counts.ended(status, durationMs, resultOf(judged, answeredAt !== 0, error))
  if (grpc !== null && grpc.status >= 0)
    context.counters.tally('grpc', tries?.route.table.name ?? '', String(grpc.status)).add()
  copy?.originalEnded(error === 'client_gone' ? 0 : status)
  const trace = context.tracing === null ? null : (ended.trace ?? traceOfRefused(context, ended))
  if (context.accessLog === null && trace === null) return
  const entry: AccessRecord = {
    atMs: Date.now(),
    client: clientAddress(client, head.forwardedFor, context.trustedProxies),
    method: stream.method,
    host: head.host,
    target: stream.target,
    head,
    status,
    grpcStatus: grpc === null || grpc.status < 0 ? null : grpc.status,
    bytes,
    durationMs,
    queueMs: tries?.queuedMs ?? 0,
    heldMs: tries?.hold?.ms ?? 0,
    connectMs: connectedAt === 0 || tries === null ? null : connectedAt - tries.beganAt,
    firstByteMs: answeredAt === 0 ? null : answeredAt - startedAt,
    service: tries?.route.table.name ?? '',
    pool: tries?.pool?.name ?? '',
    version: tries?.pool?.version ?? '',
    server: tries?.target?.name ?? '',
    attempts: tries?.count ?? 0,
    requestId,
    traceId: traceIdOf(head.traceparent),
    error,
    tls: client.tls,
    tags: hooked?.tags() ?? null,
  }
  context.accessLog?.log(entry)
  if (trace !== null) context.tracing?.record(trace.end(entry))
}

/** The trace of a request that was not forwarded, which begins only now; null = it is not traced. */
function traceOfRefused({ settings }: ProxyContext, ended: Ended): RequestTrace | null {
  const { tries, head, client } = ended
  if (tries !== null) return null
  head.beginTrace(client.trusted, settings.forwarding)
  return isSampled(head.traceparent) ? new RequestTrace(ended) : null
}

/** `answered`: a response of a server has begun, which a later error breaks off. */
function resultOf(status: number, answered: boolean, error: ErrorCode | ''): RequestResult {
  if (error === 'client_gone') return 'left'
  return status >= 500 || (answered && error !== '' && status !== SWITCHING_PROTOCOLS) ? 'error' : 'ok'
}
