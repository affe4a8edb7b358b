import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export const SECRET = 'whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0'

/** A call that a receiver got. */
export interface ReceivedCall {
  readonly id: string
  readonly type: string
  readonly headers: IncomingHttpHeaders
  // biome-ignore lint/suspicious/noExplicitAny: a test looks for what it expects, and fails when it is not there.
  readonly body: any
  /** Whether the signature is that of the secret. */
  readonly isSigned: boolean
  /** Monotonic ms. */
  readonly at: number
}

/** A receiver of events. */
export class WebhookReceiver {
  readonly calls: ReceivedCall[] = []
  /** Answers a call; by default with 204. */
  answer: (call: ReceivedCall, response: ServerResponse) => void = (_call, response) => {
    response.writeHead(204).end()
  }
  readonly #server: Server

  private constructor() {
    this.#server = createServer(async (request, response) => {
      let text = ''
      for await (const piece of request) text += piece
      const { headers } = request
      const key = Buffer.from(SECRET.slice('whsec_'.length), 'base64')
      const signed = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${text}`
      const expected = `v1,${createHmac('sha256', key).update(signed).digest('base64')}`
      const call = {
        ...{
          id: String(headers['webhook-id']),
          type: String(headers['webhook-type']),
          headers,
          body: JSON.parse(text),
        },
        ...{ isSigned: headers['webhook-signature'] === expected, at: performance.now() },
      }
      this.calls.push(call)
      this.answer(call, response)
    })
  }

  static async start(): Promise<WebhookReceiver> {
    const receiver = new WebhookReceiver()
    receiver.#server.listen(0, '127.0.0.1')
    await once(receiver.#server, 'listening')
    return receiver
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/hook/s3cret-path`
  }

  /** Calls with different ids, in the order in which each came first. */
  get messages(): ReceivedCall[] {
    const first = new Map<string, ReceivedCall>()
    for (const call of this.calls) if (!first.has(call.id)) first.set(call.id, call)
    return [...first.values()]
  }

  async stop(): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.#server.closeAllConnections()
    await closed
  }
}
