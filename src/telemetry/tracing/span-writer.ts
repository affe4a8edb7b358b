/**
 * The only file that loads the OpenTelemetry SDK, which takes 150 ms; so it is imported only if there is an endpoint.
 * Nothing is registered globally.
 */
import { hostname } from 'node:os'
import {
  createTraceState,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  type Tracer,
  trace,
} from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import {
  defaultResource,
  detectResources,
  type Resource,
  resourceAttributesEnvDetector,
  resourceFromAttributes,
  serviceNameEnvDetector,
} from '@opentelemetry/resources'
import {
  AlwaysOnSampler,
  BatchSpanProcessor,
  type IdGenerator,
  RandomIdGenerator,
  type SpanExporter,
  TracerProvider,
} from '@opentelemetry/sdk-trace'
import { ATTR_SERVICE_NAME, ATTR_SERVICE_VERSION } from '@opentelemetry/semantic-conventions'
import { VERSION } from '../../version.ts'
import { hasRequestFailed, hasTryFailed, requestAttributes, spanName, tryAttributes } from './span-attributes.ts'
import type { TracedRequest } from './traced-request.ts'

/** Max time that spans wait for others to be sent with. */
const DELAY_MS = 1_000
/** Spans in one message. Encoding one takes 8 µs, and the event loop stands still for all of them. */
const BATCH_SPANS = 256
/** Max time for delivering a message, repetitions included. */
const DELIVERY_MS = 5_000
/** Longer texts are cut: a client may send 8 KB of path, or 16 KB of User-Agent. */
const MAX_TEXT_LENGTH = 2_048

export interface SpanWriterOptions {
  readonly endpoint: string
  /** Max number of spans that are not delivered yet. */
  readonly maxSpans: number
  /** Called when the outcome of spans is known. `error`: why they were not delivered; null = they were. */
  readonly onSettled: (spans: number, error: Error | null) => void
}

/** The ids of the next span, which are known before the SDK makes it: those of tries have gone to servers. */
class GivenIds implements IdGenerator {
  traceId = ''
  spanId = ''
  readonly generateTraceId = (): string => this.traceId
  readonly generateSpanId = (): string => this.spanId
}

/** Makes spans of requests that have ended, and sends them to the endpoint. */
export class SpanWriter {
  private readonly ids = new GivenIds()
  private readonly random = new RandomIdGenerator()
  private readonly provider: TracerProvider
  private readonly tracer: Tracer

  constructor({ endpoint, maxSpans, onSettled }: SpanWriterOptions) {
    const otlp = new OTLPTraceExporter({ url: endpoint, timeoutMillis: DELIVERY_MS })
    const exporter: SpanExporter = {
      export: (spans, done) =>
        otlp.export(spans, (result) => {
          // Its code is an enumeration of the package below, and there is no error only if all is well.
          onSettled(spans.length, result.code === 0 ? null : (result.error ?? new Error('the export failed')))
          done(result)
        }),
      shutdown: () => otlp.shutdown(),
    }
    this.provider = new TracerProvider({
      resource: resource(),
      // The requests that come here are sampled already.
      sampler: new AlwaysOnSampler(),
      idGenerator: this.ids,
      spanLimits: { attributeValueLengthLimit: MAX_TEXT_LENGTH },
      spanProcessors: [
        new BatchSpanProcessor({
          exporter,
          maxQueueSize: maxSpans,
          maxExportBatchSize: BATCH_SPANS,
          scheduledDelayMillis: DELAY_MS,
        }),
      ],
    })
    this.tracer = this.provider.getTracer('cutover', VERSION)
  }

  /** Makes the span of a request and one for each of its tries. */
  write(request: TracedRequest): void {
    const { entry, parentSpanId, tries } = request
    const traceState = request.traceState === '' ? undefined : createTraceState(request.traceState)
    const context = { traceId: entry.traceId, traceFlags: TraceFlags.SAMPLED, ...(traceState && { traceState }) }
    const name = spanName(entry.method)
    const before =
      parentSpanId === ''
        ? ROOT_CONTEXT
        : trace.setSpanContext(ROOT_CONTEXT, { ...context, spanId: parentSpanId, isRemote: true })
    const spanId = this.random.generateSpanId()
    this.ids.traceId = entry.traceId
    this.ids.spanId = spanId
    const span = this.tracer.startSpan(
      name,
      {
        kind: SpanKind.SERVER,
        startTime: entry.atMs - entry.durationMs,
        attributes: requestAttributes(request),
      },
      before,
    )
    if (hasRequestFailed(request)) span.setStatus({ code: SpanStatusCode.ERROR })
    const within = trace.setSpanContext(ROOT_CONTEXT, { ...context, spanId })
    for (const [index, each] of tries.entries()) {
      this.ids.spanId = each.spanId
      const attributes = tryAttributes(request, each, index)
      const child = this.tracer.startSpan(name, { kind: SpanKind.CLIENT, startTime: each.beganAt, attributes }, within)
      if (hasTryFailed(each)) child.setStatus({ code: SpanStatusCode.ERROR })
      child.end(each.endedAt)
    }
    span.end(entry.atMs)
  }

  /** Sends what is left; resolves when its outcome is known. */
  async close(): Promise<void> {
    await this.provider.shutdown()
  }
}

/** This process, as spans name it; OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME add to that, or replace it. */
function resource(): Resource {
  const own = resourceFromAttributes({
    [ATTR_SERVICE_NAME]: 'cutover',
    [ATTR_SERVICE_VERSION]: VERSION,
    // The same program runs in several processes on a host.
    'service.instance.id': `${hostname()}:${process.pid}`,
    'host.name': hostname(),
    'process.pid': process.pid,
  })
  const given = detectResources({ detectors: [resourceAttributesEnvDetector, serviceNameEnvDetector] })
  return defaultResource().merge(own).merge(given)
}
