import { type OnReadOpts, Socket } from 'node:net'
import { InputBuffer, SHARED } from './input-buffer.ts'

/** The buffer for the next input of a socket: the one that all sockets share, or one of its own. */
export type NextBuffer = 'shared' | 'own'

/** Takes the input of a socket. */
export interface InputTaker {
  /**
   * Takes bytes, which are valid until this returns; see `keep` for those that are used for longer. Returns where to put
   * the next input.
   */
  onInput(bytes: Buffer): NextBuffer
}

/**
 * Reads a socket into buffers that are used again. Otherwise Node allocates 64 KiB for each read, which costs a fifth of
 * a small request, and half of a large one.
 */
export class SocketInput {
  /** Option for `connect`. */
  readonly onread: OnReadOpts
  taker: InputTaker | null = null
  /** null = the shared one. */
  private buffer: InputBuffer | null = null
  /** The socket that gets its input by itself again; null = `taker` gets it. */
  private released: Socket | null = null
  /** The socket that emits its input as `data`; null = it reads into `buffer`. */
  private followed: Socket | null = null

  constructor() {
    this.onread = {
      buffer: () => this.buffer?.bytes ?? SHARED,
      callback: (length, bytes) => this.onRead(length, bytes),
    }
  }

  /**
   * Reads a socket that a server has accepted. Returns the socket to use in its place. Only the constructor of a socket
   * accepts `onread`, so a new one takes over the handle; the accepted socket must not have been read.
   */
  accept(accepted: Socket): Socket {
    const { _handle: handle } = accepted as unknown as WithHandle
    ;(accepted as unknown as WithHandle)._handle = null
    accepted.destroy()
    return new Socket({ handle, allowHalfOpen: true, onread: this.onread } as SocketOptions)
  }

  /** Takes the input of a socket from its `data` events. */
  follow(socket: Socket): void {
    this.followed = socket
    socket.on('data', this.onData)
  }

  /** Leaves further input to the socket, which emits it as `data`. */
  release(socket: Socket): void {
    this.taker = null
    if (this.followed === null) this.released = socket
    else socket.off('data', this.onData)
  }

  /** Leaves the socket, paused, to another reader, which takes over its handle. */
  leave(socket: Socket): void {
    this.taker = null
    socket.off('data', this.onData)
    socket.pause()
  }

  /** Call when the socket has closed. */
  closed(): void {
    this.provide('shared')
  }

  private onRead(length: number, buffer: Uint8Array): boolean {
    const { taker, released } = this
    const bytes = (buffer as Buffer).subarray(0, length)
    if (taker !== null) this.provide(taker.onInput(bytes))
    else if (released !== null) {
      const takesMore = released.push(Buffer.from(bytes))
      this.provide('shared')
      return takesMore
    }
    return true
  }

  private readonly onData = (bytes: Buffer): void => {
    this.taker?.onInput(bytes)
  }

  private provide(next: NextBuffer): void {
    const { buffer } = this
    if (next === 'own' && buffer !== null && !buffer.isInUse) return
    this.buffer = next === 'own' ? InputBuffer.take() : null
    buffer?.retire()
  }
}

/** A socket with its handle, which Node's type declarations do not have. */
interface WithHandle {
  _handle: object | null
}

/** Options of a socket with its handle, which Node's type declarations do not have. */
type SocketOptions = ConstructorParameters<typeof Socket>[0]
