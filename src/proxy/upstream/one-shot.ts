import type { ClientRequest, IncomingMessage } from 'node:http'
import { request as httpRequest } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Dispatcher } from 'undici'
import type { RequestBody } from '../client/request-body.ts'
import { ProxyError } from '../errors.ts'

type Fields = Record<string, string | string[]>

/** Opens a connection to a server. */
export type Connect = (callback: (error: Error | null, socket: Socket | null) => void) => void

/**
 * A request on its own connection through node:http, with the handler interface of undici, for features that undici
 * lacks: the head is sent before the body, so that the server can decide whether it wants it (RFC 9110 §10.1.1), and
 * trailers follow the body.
 */
export class OneShot implements Dispatcher.DispatchController {
  aborted = false
  paused = false
  reason: Error | null = null
  rawHeaders: null = null
  rawTrailers: null = null
  private readonly options: Dispatcher.DispatchOptions
  private readonly body: RequestBody
  private readonly handler: Dispatcher.DispatchHandler
  private readonly maxHeaderBytes: number
  private request: ClientRequest | null = null
  private response: IncomingMessage | null = null
  private timer: NodeJS.Timeout | null = null
  private bodySent = false
  private ended = false

  constructor(
    options: Dispatcher.DispatchOptions,
    body: RequestBody,
    handler: Dispatcher.DispatchHandler,
    maxHeaderBytes: number,
  ) {
    this.options = options
    this.body = body
    this.handler = handler
    this.maxHeaderBytes = maxHeaderBytes
  }

  start(connect: Connect): void {
    // Errors may come after the request has ended, and before the body is read.
    this.body.on('error', (error) => this.abort(error))
    connect((error, socket) => {
      if (socket === null) this.fail(error ?? new ProxyError('connection_terminated', 'no'))
      else this.send(socket)
    })
  }

  pause(): void {
    this.paused = true
    this.response?.pause()
    this.stopTimer()
  }

  resume(): void {
    this.paused = false
    this.startTimer(this.options.bodyTimeout)
    this.response?.resume()
  }

  abort(reason: Error): void {
    if (this.ended) return
    this.aborted = true
    this.reason = reason
    this.fail(reason)
  }

  private send(socket: Socket): void {
    socket.on('error', (error) => {
      if (this.response?.complete !== true) this.fail(error)
    })
    const { method, path, headers, headersTimeout } = this.options
    this.tell(() => this.handler.onRequestStart?.(this, null))
    if (this.ended) {
      socket.destroy()
      return
    }
    try {
      this.request = httpRequest({
        method,
        path,
        headers: headers as string[],
        maxHeaderSize: this.maxHeaderBytes,
        createConnection: () => socket,
      })
    } catch {
      // node:http refuses the path or a field; nothing was sent.
      socket.destroy()
      this.fail(new ProxyError('http_request_error', 'no'))
      return
    }
    this.request.on('information', ({ statusCode, rawHeaders }) => {
      this.timer?.refresh()
      this.tell(() => this.handler.onResponseStart?.(this, statusCode, fieldsOf(rawHeaders)))
    })
    this.request.on('upgrade', (response, server, head) => this.switchProtocols(response, server, head))
    this.request.on('response', (response) => this.receive(response))
    this.request.on('error', (error) => {
      // Ignore errors after a whole response, whose `end` event follows.
      if (this.response?.complete !== true) this.fail(error)
    })
    // Only a server that decides about the body is expected to respond now.
    if (this.awaitsContinue) this.startTimer(headersTimeout)
    this.sendBody(this.request)
  }

  /** Handles the switch to another protocol, which is valid only if requested and after the whole request. */
  private switchProtocols({ statusCode = 0, rawHeaders }: IncomingMessage, server: Duplex, head: Buffer): void {
    if (this.ended || !this.options.upgrade || !this.bodySent) {
      server.destroy()
      this.fail(new ProxyError('http_protocol_error', 'maybe'))
      return
    }
    // The handler owns the connection now; it must not be destroyed with the request.
    this.request = null
    this.end()
    if (head.length > 0) server.unshift(head)
    this.handler.onRequestUpgrade?.(this, statusCode, fieldsOf(rawHeaders), server)
  }

  private get awaitsContinue(): boolean {
    return (this.options.headers as string[]).includes('expect')
  }

  private sendBody(request: ClientRequest): void {
    // flushHeaders() would write UTF-8.
    request.write('', 'latin1')
    this.body.on('data', (chunk: Buffer) => {
      // While the client still sends the body, no timeout for the server runs.
      if (this.response === null) this.stopTimer()
      if (request.write(chunk)) return
      this.body.pause()
      if (this.response === null) this.startTimer(this.options.headersTimeout)
      request.once('drain', () => this.body.resume())
    })
    this.body.on('end', () => {
      try {
        const { trailers } = this.body
        if (trailers.length > 0) request.addTrailers(trailers)
      } catch {
        // Drop trailers that cannot be written (RFC 9110 §6.5.1 allows that).
      }
      request.end()
      this.bodySent = true
      if (this.response === null) this.startTimer(this.options.headersTimeout)
      this.tell(() => this.handler.onRequestSent?.())
    })
  }

  private receive(response: IncomingMessage): void {
    this.response = response
    if (response.httpVersionMajor !== 1) {
      this.abort(new ProxyError('http_protocol_error', 'maybe'))
      return
    }
    const { bodyTimeout } = this.options
    this.startTimer(bodyTimeout)
    response.on('error', (error) => this.fail(error))
    response.on('data', (chunk: Buffer) => {
      this.timer?.refresh()
      this.tell(() => this.handler.onResponseData?.(this, chunk))
    })
    response.on('end', () => {
      if (!response.complete) this.fail(new ProxyError('http_response_incomplete', 'yes'))
      else if (this.end()) this.handler.onResponseEnd?.(this, fieldsOf(response.rawTrailers))
    })
    const { statusCode = 0, statusMessage = '', rawHeaders } = response
    // node:http returns one character per byte; undici decodes UTF-8.
    const reason = Buffer.from(statusMessage, 'latin1').toString()
    this.tell(() => this.handler.onResponseStart?.(this, statusCode, fieldsOf(rawHeaders), reason))
  }

  /** Calls the handler; an exception aborts only this request. */
  private tell(say: () => void): void {
    if (this.ended) return
    try {
      say()
    } catch (error) {
      this.abort(error as Error)
    }
  }

  private fail(error: Error): void {
    if (this.end()) this.handler.onResponseError?.(this, error)
  }

  /** Releases connection and body. Returns false if that was done before. */
  private end(): boolean {
    if (this.ended) return false
    this.ended = true
    this.stopTimer()
    this.body.destroy()
    this.request?.destroy()
    return true
  }

  private startTimer(timeoutMs: number | null | undefined): void {
    this.stopTimer()
    if (!timeoutMs) return
    this.timer = setTimeout(() => this.abort(new ProxyError('http_response_timeout', 'maybe')), timeoutMs)
  }

  private stopTimer(): void {
    if (this.timer !== null) clearTimeout(this.timer)
    this.timer = null
  }
}

/** Returns values by lower-case name, like undici. `raw`: name and value in turn. */
function fieldsOf(raw: readonly string[]): Fields {
  const fields: Fields = Object.create(null)
  for (let i = 0; i < raw.length; i += 2) {
    const name = (raw[i] as string).toLowerCase()
    const value = raw[i + 1] as string
    const before = fields[name]
    fields[name] = before === undefined ? value : Array.isArray(before) ? [...before, value] : [before, value]
  }
  return fields
}
