import { once } from 'node:events'
import type { IncomingHttpHeaders } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { startUpstream, type Upstream } from '../support/upstream.ts'
import { type Span, spansOf } from './spans-message.ts'

/** What a receiver does with messages: takes them, refuses them with a status, or never answers. */
export type Conduct = 'takes' | 'hangs' | number

/** The spans of one request. */
export interface Trace {
  readonly request: Span
  /** In the order in which they began. */
  readonly tries: readonly Span[]
}

/** A receiver of OTLP over HTTP. */
export class OtlpReceiver {
  readonly server: Upstream
  conduct: Conduct = 'takes'
  readonly spans: Span[] = []
  /** Of every message, also of those that were not taken. */
  readonly headers: IncomingHttpHeaders[] = []
  /** Spans in messages that were not taken. */
  refused = 0

  private constructor(server: Upstream) {
    this.server = server
  }

  /** `port`: 0 = any free one. */
  static async start(port = 0): Promise<OtlpReceiver> {
    const receiver: OtlpReceiver = new OtlpReceiver(
      await startUpstream(
        async (request, response) => {
          const message = spansOf(await buffer(request))
          receiver.headers.push(request.headers)
          if (request.url !== '/v1/traces') response.writeHead(404).end()
          else if (receiver.conduct === 'takes') {
            receiver.spans.push(...message)
            response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end()
          } else {
            receiver.refused += message.length
            if (receiver.conduct !== 'hangs') response.writeHead(receiver.conduct).end()
          }
          receiver.server.server.emit('message')
        },
        { port },
      ),
    )
    return receiver
  }

  get endpoint(): string {
    return `${this.server.url}/v1/traces`
  }

  close(): Promise<void> {
    return this.server.close()
  }

  /** Resolves once `what` is true, which is asked after each message. */
  async until(what: () => boolean): Promise<void> {
    while (!what()) await once(this.server.server, 'message')
  }

  /** Resolves with the spans of the request for this path, once all of them are there. */
  async trace(path: string): Promise<Trace> {
    let found: Trace | null = null
    await this.until(() => {
      found = this.find(path)
      return found !== null
    })
    return found as unknown as Trace
  }

  /** The spans of the request for this path; null = not all of them are there. */
  find(path: string): Trace | null {
    const request = this.spans.find(({ kind, attributes }) => kind === 'server' && attributes['url.path'] === path)
    if (request === undefined) return null
    const tries = this.spans
      .filter(({ kind, parentSpanId }) => kind === 'client' && parentSpanId === request.spanId)
      .sort((a, b) => Number(a.start - b.start))
    return tries.length === request.attributes['cutover.attempts'] ? { request, tries } : null
  }
}
