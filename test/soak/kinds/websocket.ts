import { setTimeout as delay } from 'node:timers/promises'
import { type RawData, WebSocket } from 'ws'
import { Failed } from '../../support/failed.ts'
import type { Lane } from '../lane.ts'
import { ID_FIELD } from '../upstream-messages.ts'
import { CLOSE } from '../upstream-websockets.ts'
import { between } from './bodies.ts'

const HANG_MS = 25_000
const BY_SERVER = 4_001
const BY_CLIENT = 4_002

/** A WebSocket that is open for some seconds, has its messages echoed, and is closed by either end. */
export async function websocket(lane: Lane): Promise<void> {
  const id = lane.nextId()
  await lane.attempt(id, async () => {
    const peer = await Peer.open(lane, id)
    try {
      const until = performance.now() + lane.traffic.streamMs * (0.5 + Math.random())
      for (let i = 0; performance.now() < until; i++) {
        const message = `${i} ${'x'.repeat(i % 8 === 7 ? between(1_000, 100_000) : between(0, 200))}`
        const echo = await peer.ask(message)
        if (echo !== `${id} ${message}`) throw new Failed(echo.startsWith(id) ? 'wrong bytes' : 'wrong answer')
        await delay(between(10, 150))
      }
      await peer.close(Math.random() < 0.5 ? BY_SERVER : BY_CLIENT)
    } finally {
      peer.terminate()
    }
  })
}

class Peer {
  private readonly socket: WebSocket
  private readonly messages: string[] = []
  private closeCode: number | null = null
  private failure: Failed | null = null
  private wake: () => void = () => undefined

  private constructor(socket: WebSocket) {
    this.socket = socket
    socket.on('open', () => this.wake())
    socket.on('message', (data: RawData) => {
      this.messages.push(data.toString())
      this.wake()
    })
    socket.on('unexpected-response', (_request, response) => {
      this.failure = new Failed(`status ${response.statusCode ?? 0}`, String(response.headers['proxy-status'] ?? ''))
      response.resume()
      socket.terminate()
    })
    socket.on('error', (error: Error) => {
      this.failure ??= this.failureOf(error)
    })
    socket.on('close', (code: number) => {
      this.closeCode = code
      this.wake()
    })
  }

  static async open({ traffic, host }: Lane, id: string): Promise<Peer> {
    const headers = { host, [ID_FIELD]: id }
    const peer = new Peer(new WebSocket(`ws://127.0.0.1:${traffic.port}/`, { headers, perMessageDeflate: false }))
    while (peer.socket.readyState === WebSocket.CONNECTING) await peer.event()
    if (peer.failure !== null) throw peer.failure
    return peer
  }

  async ask(message: string): Promise<string> {
    this.socket.send(message)
    for (;;) {
      const answer = this.messages.shift()
      if (answer !== undefined) return answer
      if (this.closeCode !== null) throw this.ended(this.closeCode)
      await this.event()
    }
  }

  /** Has the connection closed by the end that the code tells, and waits until it is, with that code. */
  async close(code: number): Promise<void> {
    if (code === BY_CLIENT) this.socket.close(code)
    else this.socket.send(`${CLOSE}${code}`)
    while (this.closeCode === null) await this.event()
    if (this.closeCode !== code || this.failure !== null) throw this.ended(this.closeCode)
    if (this.messages.length > 0) throw new Failed('surplus bytes')
  }

  terminate(): void {
    this.socket.terminate()
  }

  /** 1006: without a close frame. */
  private ended(code: number): Failed {
    if (this.failure !== null) return this.failure
    return code === 1006 ? new Failed('broken off') : new Failed(`closed with ${code}`)
  }

  private failureOf(error: Error): Failed {
    if (this.socket.readyState === WebSocket.OPEN) return new Failed('malformed', error.message)
    const isLost = /ECONNRESET|EPIPE|hang up|before the connection was established/.test(error.message)
    return new Failed(isLost ? 'closed unanswered' : 'malformed', error.message)
  }

  private event(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.failure ??= new Failed('hang')
        this.socket.terminate()
      }, HANG_MS)
      this.wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
}
