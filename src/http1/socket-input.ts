import { type OnReadOpts, Socket } from 'node:net'

/** Length of a buffer for input: small enough to stay in the processor's cache until its bytes are sent on (measured). */
const BUFFER_BYTES = 32 * 1024
/** Max number of free buffers to keep. */
const MAX_FREE = 64

/**
 * The buffer for the next input of a socket: the one that all sockets share; one of its own; or `new` = one of its own
 * that was not used since `forget`, because bytes of the others may still be in use.
 */
export type NextBuffer = 'shared' | 'own' | 'new'

/** Takes the input of a socket. */
export interface InputTaker {
  /**
   * Takes bytes, which are valid until the next input of this socket, or, if `isShared`, only until this returns.
   * Returns where to put the next input: `new` if some of the bytes since `forget` are still in use.
   */
  onInput(bytes: Buffer, isShared: boolean): NextBuffer
}

const SHARED = Buffer.allocUnsafeSlow(BUFFER_BYTES)
const free: Buffer[] = []

/**
 * Reads a socket into buffers that are used again. Otherwise Node allocates 64 KiB for each read, which costs a fifth of
 * a small request, and half of a large one.
 */
export class SocketInput {
  /** Option for `connect`. */
  readonly onread: OnReadOpts
  taker: InputTaker | null = null
  private buffer: Buffer
  /** Buffers with bytes that may be in use. */
  private lent: Buffer[] = []
  /** The socket that gets its input by itself again; null = `taker` gets it. */
  private released: Socket | null = null
  /** The socket that emits its input as `data`; null = it reads into `buffer`. */
  private followed: Socket | null = null

  /** `first`: the buffer for the first input. */
  constructor(first: Exclude<NextBuffer, 'new'>) {
    this.buffer = first === 'shared' ? SHARED : takeFree()
    this.onread = { buffer: () => this.buffer, callback: (length) => this.onRead(length) }
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

  /**
   * Call before the input is passed on to another receiver: the last one may keep bytes in use for longer, so their
   * buffers are not used again.
   */
  forget(): void {
    if (this.lent.length > 0) this.lent = []
  }

  /** Leaves further input to the socket, which emits it as `data`. */
  release(socket: Socket): void {
    this.taker = null
    this.forget()
    if (this.followed === null) this.released = socket
    else socket.off('data', this.onData)
  }

  private onRead(length: number): boolean {
    const { buffer, taker, released } = this
    const bytes = length === buffer.length ? buffer : buffer.subarray(0, length)
    if (taker !== null) this.provide(taker.onInput(bytes, buffer === SHARED))
    else if (released !== null) {
      const takesMore = released.push(Buffer.from(bytes))
      this.provide('shared')
      return takesMore
    }
    return true
  }

  private readonly onData = (bytes: Buffer): void => {
    this.taker?.onInput(bytes, false)
  }

  private provide(next: NextBuffer): void {
    const { buffer, lent } = this
    if (next === 'new') {
      if (buffer !== SHARED) lent.push(buffer)
      this.buffer = takeFree()
      return
    }
    while (lent.length > 0) giveBack(lent.pop() as Buffer)
    if (next === 'own' && buffer === SHARED) this.buffer = takeFree()
    else if (next === 'shared' && buffer !== SHARED) {
      giveBack(buffer)
      this.buffer = SHARED
    }
  }
}

/** A socket with its handle, which Node's type declarations do not have. */
interface WithHandle {
  _handle: object | null
}

/** Options of a socket with its handle, which Node's type declarations do not have. */
type SocketOptions = ConstructorParameters<typeof Socket>[0]

function giveBack(buffer: Buffer): void {
  if (free.length < MAX_FREE) free.push(buffer)
}

function takeFree(): Buffer {
  return free.pop() ?? Buffer.allocUnsafeSlow(BUFFER_BYTES)
}
