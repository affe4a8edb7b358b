import { once } from 'node:events'
import type { Socket } from 'node:net'
import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

/** The target of an attack: ports on 127.0.0.1, and a valid token. */
export interface Target {
  readonly proxyPort: number
  /** Where every connection has to open with a PROXY header. */
  readonly proxyHeaderPort: number
  readonly adminPort: number
  /** With the role `admin`. */
  readonly token: string
}

/** Pause of an attacker before it connects again after its connection was refused or closed, ms. */
const COMES_AGAIN_MS = 50

/** The connections of an attack: how many there are at most is said by their lanes. */
export class Crowd {
  /** What has happened, by name. */
  readonly counts: Record<string, number> = {}
  readonly #sockets = new Set<Socket>()
  readonly #ending = new AbortController()

  get isEnding(): boolean {
    return this.#ending.signal.aborted
  }

  count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1
  }

  /** Has so many attackers do the same again and again until the attack is over. */
  async lanes(count: number, visit: (lane: number) => Promise<unknown>): Promise<void> {
    const lanes = Array.from({ length: count }, async (_, lane) => {
      while (!this.isEnding) {
        await visit(lane).catch(() => this.count('failed'))
        await this.pause(1)
      }
    })
    await Promise.all(lanes)
  }

  /** Opens a connection; null, after a moment, where that is refused. */
  async open(port: number, allowHalfOpen = false): Promise<Socket | null> {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true, allowHalfOpen })
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
    socket.on('error', () => undefined)
    await Promise.race([once(socket, 'connect'), once(socket, 'close')]).catch(() => undefined)
    if (socket.readyState === 'open') {
      this.count('opened')
      return socket
    }
    this.count('refused')
    await this.pause(COMES_AGAIN_MS)
    return null
  }

  /** Resolves when the other side has ended a connection, or the attack is over. Reads and throws away what comes. */
  async untilClosed(socket: Socket): Promise<void> {
    socket.resume()
    if (!socket.destroyed) await once(socket, 'close', { signal: this.#ending.signal }).catch(() => undefined)
    if (this.isEnding) return
    this.count('thrown out')
    await this.pause(COMES_AGAIN_MS)
  }

  /** Writes no faster than it is taken. False: no more can be written. */
  async write(socket: Socket, data: string | Buffer): Promise<boolean> {
    if (socket.destroyed || this.isEnding) return false
    if (socket.write(data)) return true
    const signal = AbortSignal.any([this.#ending.signal, AbortSignal.timeout(60_000)])
    await Promise.race([once(socket, 'drain', { signal }), once(socket, 'close', { signal })]).catch(() => undefined)
    return !socket.destroyed && !this.isEnding
  }

  /** Ends early when the attack does. */
  async pause(ms: number): Promise<void> {
    await delay(ms, undefined, { signal: this.#ending.signal }).catch(() => undefined)
  }

  /** Ends the attack: all its connections are destroyed. */
  end(): void {
    this.#ending.abort()
    for (const socket of this.#sockets) socket.destroy()
  }
}
