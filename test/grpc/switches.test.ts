import { once } from 'node:events'
import { expect, test } from 'vitest'
import { startHttp2 } from '../http2/support.ts'
import { atEnd } from '../support/endings.ts'
import { type EchoClient, type EchoServer, echoClient, echoServer, type Message, unary } from './support.ts'

/** Clients that make unary calls and keep streams open. */
class Calls {
  completed = 0
  readonly failures: string[] = []
  private isStopping = false
  private readonly done: Promise<unknown>

  constructor(clients: readonly EchoClient[]) {
    this.done = Promise.all(
      clients.flatMap((client) => [...Array.from({ length: 6 }, () => this.unaries(client)), this.chats(client)]),
    )
  }

  async more(count: number): Promise<void> {
    const goal = this.completed + count
    while (this.completed < goal) await new Promise((resolve) => setTimeout(resolve, 2))
  }

  async stop(): Promise<void> {
    this.isStopping = true
    await this.done
  }

  private async unaries(client: EchoClient): Promise<void> {
    while (!this.isStopping) {
      const { error, answer } = await unary(client, 'x')
      if (error === null && /^(blue|green): x$/.test(answer?.text ?? '')) this.completed++
      else this.failures.push(`unary: ${error?.code} ${error?.details}`)
    }
  }

  /** Streams of ten messages, which must all be answered by one server. */
  private async chats(client: EchoClient): Promise<void> {
    while (!this.isStopping) {
      const call = client.chat()
      call.on('error', () => undefined)
      const status = once(call, 'status')
      const servers = new Set<string>()
      for (let i = 0; i < 10; i++) {
        call.write({ text: String(i) })
        const answer = await Promise.race([once(call, 'data'), status.then(() => null)])
        if (answer === null) break
        servers.add((answer[0] as Message).text.split(':')[0] ?? '')
      }
      call.end()
      call.resume()
      const [{ code, details }] = await status
      if (code === 0 && servers.size === 1) this.completed++
      else this.failures.push(`chat: ${code} ${details} of ${[...servers]}`)
    }
  }
}

test('50 switches under load, after each of which the servers of the old pool shut down with GOAWAY, lose no call', async () => {
  const servers: Record<string, EchoServer> = { blue: await echoServer('blue'), green: await echoServer('green') }
  const pools = Object.fromEntries(
    Object.entries(servers).map(([name, { url }]) => [name, { version: name, servers: { [name]: url } }]),
  )
  const health = { path: '/', interval: '50ms', expect: '200-599' }
  const cutover = await startHttp2(
    { app: { paths: ['/'], stripPrefix: false, servers: [], pools, split: { blue: 100 }, health } },
    { proxy: { listen: [{ address: '127.0.0.1:0', h2c: true }], workers: 2 } },
  )
  const calls = new Calls([
    echoClient(cutover, { 'grpc.use_local_subchannel_pool': 1 }),
    echoClient(cutover, { 'grpc.use_local_subchannel_pool': 1 }),
  ])
  atEnd(() => calls.stop())
  await calls.more(50)
  let from = 'blue'
  for (let i = 0; i < 50; i++) {
    const to = from === 'blue' ? 'green' : 'blue'
    const { status, body } = await cutover.api('POST', '/api/services/app/switch?wait=20s', { to })
    expect([status, body.drained]).toEqual([200, [from]])
    const old = servers[from] as EchoServer
    await old.shutDown()
    servers[from] = await echoServer(from, old.port)
    // The next switch must find it up.
    const isUp = async (): Promise<boolean> => {
      const { pools: shown } = (await cutover.api('GET', '/api/services/app')).body
      return shown.find(({ name }: { name: string }) => name === from).up === 1
    }
    while (!(await isUp())) await calls.more(5)
    await calls.more(10)
    from = to
  }
  await calls.stop()
  expect(calls.failures).toEqual([])
})

test('two servers of a pool that shut down in turn, with calls in flight, lose no call', async () => {
  const servers = [await echoServer('blue'), await echoServer('green')]
  const cutover = await startHttp2({ app: { paths: ['/'], stripPrefix: false, servers, passive: { maxFails: 0 } } })
  const calls = new Calls([echoClient(cutover)])
  atEnd(() => calls.stop())
  for (let i = 0; i < 20; i++) {
    await calls.more(30)
    const old = servers[i % 2] as EchoServer
    await old.shutDown()
    servers[i % 2] = await echoServer(old.name, old.port)
  }
  await calls.stop()
  expect(calls.failures).toEqual([])
})

test('workers that are replaced lose no call', async () => {
  const server = await echoServer('blue')
  const cutover = await startHttp2(
    { app: { paths: ['/'], stripPrefix: false, servers: [server] } },
    { proxy: { listen: [{ address: '127.0.0.1:0', h2c: true }], workers: 2 } },
  )
  const calls = new Calls([
    echoClient(cutover, { 'grpc.use_local_subchannel_pool': 1 }),
    echoClient(cutover, { 'grpc.use_local_subchannel_pool': 1 }),
  ])
  atEnd(() => calls.stop())
  for (let i = 0; i < 3; i++) {
    await calls.more(100)
    expect((await cutover.api('POST', '/api/workers/restart?wait=20s')).status).toBeLessThan(300)
  }
  await calls.more(100)
  await calls.stop()
  expect(calls.failures).toEqual([])
})
