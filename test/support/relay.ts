import { once } from 'node:events'
import net from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/**
 * A TCP relay on 127.0.0.1 that can fail as a network does. It always accepts before it has reached the target: when
 * nothing listens there, a client sees its connection open and then close.
 */
export class Relay {
  readonly port: number
  /** Every chunk that comes in from now on is passed this much later, in either direction. */
  delayMs = 0
  readonly #server: net.Server
  readonly #targetPort: number
  readonly #clients = new Set<net.Socket>()
  readonly #upstreams = new Set<net.Socket>()
  /** Set while answers to a certain request are to be held back. */
  #trap: { readonly text: string; readonly caught: () => void; readonly released: Promise<void> } | null = null
  /** Set while an answer is awaited after which nothing passes. */
  #last: string | null = null
  /** Set while a request is awaited that does not pass, nor anything after it. */
  #first: { readonly text: string; readonly said: () => void } | null = null
  /** Pending while frozen. */
  #passable: Promise<void> = Promise.resolve()
  #thaw: () => void = () => {}

  private constructor(server: net.Server, targetPort: number) {
    this.#server = server
    this.#targetPort = targetPort
    this.port = (server.address() as net.AddressInfo).port
    server.on('connection', (client: net.Socket) => this.#relay(client))
  }

  /** Starts one on a free port. */
  static async start(targetPort: number): Promise<Relay> {
    // Half-open: the end of one direction passes through like its data, and the other direction goes on.
    const server = net.createServer({ allowHalfOpen: true, noDelay: true })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new Relay(server, targetPort)
  }

  /** Client connections open now. */
  get connections(): number {
    return this.#clients.size
  }

  /** Destroys all connections and refuses new ones. */
  async cut(): Promise<void> {
    if (!this.#server.listening) return
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.dropAll()
    await closed
  }

  /** Accepts connections again, after a cut, on the same port. */
  async heal(): Promise<void> {
    if (this.#server.listening) return
    this.#server.listen(this.port, '127.0.0.1')
    await once(this.#server, 'listening')
  }

  /**
   * Passes nothing from now on, neither data nor the end of a connection, as when packets get lost. Connections stay
   * open, and new ones are accepted.
   */
  freeze(): void {
    this.thaw()
    this.#passable = new Promise((resolve) => {
      this.#thaw = resolve
    })
  }

  /** Passes everything until an answer with `text` has passed, and nothing from then on, as `freeze`. */
  freezeAfterAnswer(text: string): void {
    this.#last = text
  }

  /** Passes everything until a client says `text`, and nothing from then on, this included; resolves when it was said. */
  freezeBeforeRequest(text: string): Promise<void> {
    const said = Promise.withResolvers<void>()
    this.#first = { text, said: said.resolve }
    return said.promise
  }

  /** Passes what was held back, in order, and all that comes. */
  thaw(): void {
    this.#thaw()
    this.#passable = Promise.resolve()
  }

  /**
   * Holds back every answer on the next connection whose client says `text`, from then on; the other connections go on.
   * `caught` resolves when it was said, `release` lets the answers pass.
   */
  holdAnswersTo(text: string): { readonly caught: Promise<void>; readonly release: () => void } {
    const caught = Promise.withResolvers<void>()
    const released = Promise.withResolvers<void>()
    this.#trap = { text, caught: caught.resolve, released: released.promise }
    return { caught: caught.promise, release: released.resolve }
  }

  /** Destroys the present connections; new ones are welcome. */
  dropAll(): void {
    for (const socket of [...this.#clients, ...this.#upstreams]) socket.destroy()
  }

  /** Ends all of it. */
  async stop(): Promise<void> {
    await this.cut()
    this.thaw()
  }

  #relay(client: net.Socket): void {
    const upstream = net.connect({ port: this.#targetPort, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
    this.#watch(client, this.#clients)
    this.#watch(upstream, this.#upstreams)
    let answersPassable: Promise<void> = Promise.resolve()
    client.on('data', (chunk: Buffer) => {
      if (this.#first !== null && chunk.includes(this.#first.text)) {
        this.freeze()
        this.#first.said()
        this.#first = null
      }
      const trap = this.#trap
      if (trap === null || !chunk.includes(trap.text)) return
      this.#trap = null
      answersPassable = trap.released
      trap.caught()
    })
    this.#pass(client, upstream, () => this.#passable)
    this.#pass(upstream, client, () => Promise.all([this.#passable, answersPassable]))
  }

  #watch(socket: net.Socket, sockets: Set<net.Socket>): void {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    // A reset is one more way to close, and 'close' follows.
    socket.on('error', () => {})
  }

  #pass(from: net.Socket, to: net.Socket, passable: () => Promise<unknown>): void {
    let last: Promise<void> = Promise.resolve()
    const inTurn = (action: () => void) => {
      const due = performance.now() + this.delayMs
      last = last.then(async () => {
        const leftMs = due - performance.now()
        if (leftMs > 0) await sleep(leftMs, undefined, { ref: false })
        await passable()
        if (!to.destroyed) action()
      })
    }
    from.on('data', (chunk: Buffer) =>
      inTurn(() => {
        to.write(chunk)
        if (this.#last === null || !chunk.includes(this.#last)) return
        this.#last = null
        this.freeze()
      }),
    )
    from.once('end', () => inTurn(() => to.end()))
    // After an orderly end on both sides 'to' closes by itself, once all it has to send is sent.
    from.once('close', () => inTurn(() => to.writableEnded || to.destroy()))
  }
}
