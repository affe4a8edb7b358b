import * as grpc from '@grpc/grpc-js'
import type { Cutover } from '../support/cutover.ts'
import { atEnd } from '../support/endings.ts'

/** What the methods of the test's service take and return. */
export interface Message {
  readonly text: string
  readonly count?: number
}

const format = {
  requestSerialize: (message: Message) => Buffer.from(JSON.stringify(message)),
  requestDeserialize: (bytes: Buffer) => JSON.parse(bytes.toString()) as Message,
  responseSerialize: (message: Message) => Buffer.from(JSON.stringify(message)),
  responseDeserialize: (bytes: Buffer) => JSON.parse(bytes.toString()) as Message,
}

const method = (name: string, requestStream: boolean, responseStream: boolean) => ({
  path: `/test.Echo/${name}`,
  requestStream,
  responseStream,
  ...format,
})

export const ECHO = {
  unary: method('unary', false, false),
  collect: method('collect', true, false),
  list: method('list', false, true),
  chat: method('chat', true, true),
} satisfies grpc.ServiceDefinition

export interface EchoClient extends grpc.Client {
  unary(
    message: Message,
    metadata: grpc.Metadata,
    options: grpc.CallOptions,
    callback: (error: grpc.ServiceError | null, answer?: Message) => void,
  ): grpc.ClientUnaryCall
  collect(
    metadata: grpc.Metadata,
    callback: (error: grpc.ServiceError | null, answer?: Message) => void,
  ): grpc.ClientWritableStream<Message>
  list(message: Message, metadata?: grpc.Metadata): grpc.ClientReadableStream<Message>
  chat(metadata?: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientDuplexStream<Message, Message>
}

const EchoClientOf = grpc.makeGenericClientConstructor(ECHO, 'Echo')

/** A server of gRPC; `name` stands before each text that it returns. */
export class EchoServer {
  readonly name: string
  readonly server: grpc.Server
  readonly port: number
  readonly calls: { readonly method: string; readonly metadata: grpc.Metadata }[] = []
  /** Calls that the client has cancelled. */
  cancelled = 0

  private constructor(name: string, server: grpc.Server, port: number) {
    this.name = name
    this.server = server
    this.port = port
  }

  static async start(name = 'server', port = 0): Promise<EchoServer> {
    const server = new grpc.Server({ 'grpc.max_receive_message_length': -1 })
    const calls: EchoServer['calls'] = []
    const holder: { echo?: EchoServer } = {}
    const note = (methodName: string, metadata: grpc.Metadata): void => {
      calls.push({ method: methodName, metadata })
    }
    const cancelled = (): void => {
      if (holder.echo !== undefined) holder.echo.cancelled++
    }
    server.addService(ECHO, {
      unary: (call: grpc.ServerUnaryCall<Message, Message>, done: grpc.sendUnaryData<Message>) => {
        note('unary', call.metadata)
        call.on('cancelled', cancelled)
        const { text } = call.request
        if (text === 'never') return
        if (text.startsWith('fail ')) {
          const trailing = new grpc.Metadata()
          trailing.set('x-why', 'because')
          done({ code: Number(text.slice(5)), details: 'as you wish: ä %', metadata: trailing })
          return
        }
        const head = new grpc.Metadata()
        head.set('x-seen', String(call.metadata.get('x-sent')[0] ?? ''))
        const binary = call.metadata.get('x-data-bin')[0]
        if (binary !== undefined) head.set('x-data-bin', binary)
        call.sendMetadata(head)
        const trailing = new grpc.Metadata()
        trailing.set('x-trailing', 'yes')
        done(null, { text: `${name}: ${text}` }, trailing)
      },
      collect: (call: grpc.ServerReadableStream<Message, Message>, done: grpc.sendUnaryData<Message>) => {
        note('collect', call.metadata)
        call.on('cancelled', cancelled)
        let count = 0
        let length = 0
        call.on('data', ({ text }: Message) => {
          count++
          length += text.length
        })
        call.on('end', () => done(null, { text: `${name}: ${length}`, count }))
      },
      list: (call: grpc.ServerWritableStream<Message, Message>) => {
        note('list', call.metadata)
        call.on('cancelled', cancelled)
        const { text, count = 0 } = call.request
        let sent = 0
        const write = (): void => {
          while (sent < count) {
            sent++
            if (!call.write({ text: `${name}: ${text}`, count: sent })) {
              call.once('drain', write)
              return
            }
          }
          if (text !== 'endless') call.end()
        }
        write()
      },
      chat: (call: grpc.ServerDuplexStream<Message, Message>) => {
        note('chat', call.metadata)
        call.on('cancelled', cancelled)
        call.on('data', ({ text }: Message) => call.write({ text: `${name}: ${text}` }))
        call.on('end', () => call.end())
      },
    })
    const bound = await new Promise<number>((resolve, reject) =>
      server.bindAsync(`127.0.0.1:${port}`, grpc.ServerCredentials.createInsecure(), (error, inUse) =>
        error === null ? resolve(inUse) : reject(error),
      ),
    )
    const echo = new EchoServer(name, server, bound)
    holder.echo = echo
    Object.assign(echo, { calls })
    return echo
  }

  get url(): string {
    return `h2c://127.0.0.1:${this.port}`
  }

  /** Ends in good order, with a GOAWAY; resolves when all calls have ended. */
  shutDown(): Promise<void> {
    return new Promise((resolve) => this.server.tryShutdown(() => resolve()))
  }

  kill(): void {
    this.server.forceShutdown()
  }
}

export async function echoServer(name?: string, port?: number): Promise<EchoServer> {
  const server = await EchoServer.start(name, port)
  atEnd(() => server.kill())
  return server
}

/** A client of gRPC that asks Cutover for the service `app`, whose paths are not stripped. */
export function echoClient(cutover: Cutover, options: grpc.ChannelOptions = {}): EchoClient {
  const unlimited = { 'grpc.max_receive_message_length': -1 }
  const address = new URL(cutover.proxy).host
  const client = new EchoClientOf(address, grpc.credentials.createInsecure(), { ...unlimited, ...options })
  atEnd(() => client.close())
  return client as unknown as EchoClient
}

export interface Unary {
  readonly error: grpc.ServiceError | null
  readonly answer: Message | undefined
  readonly head: grpc.Metadata | null
  readonly status: grpc.StatusObject
}

/** Makes a unary call. */
export function unary(
  client: EchoClient,
  text: string,
  metadata: grpc.Metadata = new grpc.Metadata(),
  options: grpc.CallOptions = {},
): Promise<Unary> {
  return new Promise((resolve) => {
    let head: grpc.Metadata | null = null
    let error: grpc.ServiceError | null = null
    let answer: Message | undefined
    const call = client.unary({ text }, metadata, options, (failure, given) => {
      error = failure
      answer = given
    })
    call.on('metadata', (given) => {
      head = given
    })
    call.on('status', (status) => setImmediate(() => resolve({ error, answer, head, status })))
  })
}
