import type { Socket } from 'node:net'
import type { OutboundCall } from '../http1/outbound-call.ts'
import type { Opener } from '../http1/outbound-pool.ts'
import { OutboundSession, type OutboundSessionOptions, type SessionKeeper } from './outbound-session.ts'

/** Opens connections to one server of HTTP/2. */
export interface SessionOpener extends Pick<Opener, 'readyEvent'> {
  connect(): Socket
  readonly isSecure: boolean
  /** As in a Host field. */
  readonly host: string
}

export interface SessionsOptions extends OutboundSessionOptions {
  /** Max time to connect, with TLS and the server's settings, ms; 0 = unlimited. */
  readonly connectMs: number
  /** Creates the error for a connection that took longer than `connectMs`. */
  readonly connectTimeout: () => Error
}

/** Max calls that wait for one connection that is being opened; beyond it, another one is opened. */
const MAX_WAITING = 100

/** The error of a server that closed the connection before it sent its settings: it does not speak HTTP/2. */
function noHttp2(): Error {
  return Object.assign(new Error('the server does not speak HTTP/2'), { code: 'ERR_NO_HTTP2' })
}

/**
 * The connections to one server that speaks HTTP/2. A call begins once the server has sent its settings, so that nothing is
 * sent to a server that speaks something else, or more streams than it takes.
 */
export class OutboundSessions implements SessionKeeper {
  private readonly opener: SessionOpener
  private readonly options: SessionsOptions
  private readonly sessions = new Set<OutboundSession>()
  private readonly opening = new Set<Opening>()
  private isClosed = false

  constructor(opener: SessionOpener, options: SessionsOptions) {
    this.opener = opener
    this.options = options
  }

  /** Sends a call's request on a connection with room, or on a new one. */
  start(call: OutboundCall): void {
    for (const session of this.sessions) {
      if (!session.hasRoom) continue
      session.start(call)
      return
    }
    for (const opening of this.opening) {
      if (opening.waiting.size >= MAX_WAITING) continue
      opening.add(call)
      return
    }
    this.open().add(call)
  }

  get hasConnections(): boolean {
    return this.sessions.size + this.opening.size > 0
  }

  /** Closes idle connections now, and the others when their calls end. */
  close(): void {
    this.isClosed = true
    for (const session of this.sessions) session.close()
    this.sessions.clear()
  }

  onReady(session: OutboundSession): void {
    const opening = this.openingOf(session)
    if (opening === null) return
    this.opening.delete(opening)
    this.sessions.add(session)
    opening.end()
    for (const call of opening.waiting) {
      if (session.hasRoom) session.start(call)
      else this.start(call)
    }
    if (this.isClosed) session.close()
  }

  onGone(session: OutboundSession, error: Error | null): void {
    this.sessions.delete(session)
    const opening = this.openingOf(session)
    if (opening !== null) this.fail(opening, error ?? noHttp2())
  }

  private openingOf(session: OutboundSession): Opening | null {
    for (const opening of this.opening) if (opening.session === session) return opening
    return null
  }

  private open(): Opening {
    const { connectMs, connectTimeout } = this.options
    const socket = this.opener.connect()
    const opening: Opening = new Opening(socket, connectMs, () => {
      this.fail(opening, connectTimeout())
      socket.destroy()
    })
    opening.onEmpty = () => {
      this.opening.delete(opening)
      socket.destroy()
    }
    this.opening.add(opening)
    const fail = (error: Error): void => this.fail(opening, error)
    // A TLS socket may emit several errors.
    socket.on('error', () => undefined).once('error', fail)
    socket.once(this.opener.readyEvent, () => {
      socket.off('error', fail)
      if (this.opening.has(opening)) this.speak(opening)
      else socket.destroy()
    })
    return opening
  }

  /** Begins HTTP/2 on a connection that is open. */
  private speak(opening: Opening): void {
    const { socket } = opening
    const { isSecure, host } = this.opener
    if (isSecure && (socket as Socket & { readonly alpnProtocol?: unknown }).alpnProtocol !== 'h2') {
      this.fail(opening, Object.assign(noHttp2(), { code: 'ERR_TLS_ALPN' }))
      socket.destroy()
    } else opening.session = new OutboundSession(socket, host, isSecure, this.options, this)
  }

  private fail(opening: Opening, error: Error): void {
    if (!this.opening.delete(opening)) return
    opening.end()
    for (const call of opening.waiting) if (call.finish()) call.handler.onFailed({ kind: 'connect', error })
  }
}

/** A connection that is being opened, and the calls that wait for it. */
class Opening {
  readonly socket: Socket
  readonly waiting = new Set<OutboundCall>()
  session: OutboundSession | null = null
  /** Called when no call waits any more. */
  onEmpty: () => void = () => undefined
  private readonly timer: NodeJS.Timeout | undefined
  private isOver = false

  constructor(socket: Socket, timeoutMs: number, onTimeout: () => void) {
    this.socket = socket
    this.timer = timeoutMs === 0 ? undefined : setTimeout(onTimeout, timeoutMs)
  }

  add(call: OutboundCall): void {
    this.waiting.add(call)
    call.awaitConnection(() => {
      this.waiting.delete(call)
      if (this.waiting.size > 0 || this.isOver) return
      this.end()
      this.onEmpty()
    })
  }

  end(): void {
    this.isOver = true
    clearTimeout(this.timer)
  }
}
