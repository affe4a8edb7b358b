import { once } from 'node:events'
import * as grpc from '@grpc/grpc-js'
import { describe, expect, test } from 'vitest'
import { startHttp2 } from '../http2/support.ts'
import type { Cutover } from '../support/cutover.ts'
import { until } from '../support/until.ts'
import { type EchoServer, echoClient, echoServer, type Message, unary } from './support.ts'

/** Cutover in front of servers of gRPC. */
function inFront(servers: readonly EchoServer[], more: object = {}): Promise<Cutover> {
  return startHttp2({ app: { paths: ['/'], stripPrefix: false, servers, ...more } })
}

async function logged(cutover: Cutover, method: string): Promise<Record<string, unknown>> {
  return until(() => cutover.accessLog().find(({ target }) => target === `/test.Echo/${method}`))
}

async function collected(
  call: grpc.ClientReadableStream<Message>,
): Promise<{ texts: string[]; status: grpc.StatusObject }> {
  const texts: string[] = []
  call.on('data', ({ text }: Message) => texts.push(text))
  call.on('error', () => undefined)
  const [status] = await once(call, 'status')
  return { texts, status }
}

describe('calls of gRPC', () => {
  test('unary, with metadata both ways, in text and in bytes', async () => {
    const server = await echoServer()
    const cutover = await inFront([server])
    const metadata = new grpc.Metadata()
    metadata.set('x-sent', 'hello')
    metadata.set('x-data-bin', Buffer.from([0, 1, 254, 255]))
    const { answer, head, status } = await unary(echoClient(cutover), 'ä', metadata)
    expect(answer).toEqual({ text: 'server: ä' })
    expect(head?.get('x-seen')).toEqual(['hello'])
    expect(head?.get('x-data-bin')).toEqual([Buffer.from([0, 1, 254, 255])])
    expect([status.code, status.metadata.get('x-trailing')]).toEqual([0, ['yes']])
    expect(await logged(cutover, 'unary')).toMatchObject({ method: 'POST', status: 200, grpcStatus: 0 })
  })

  test('a stream of the client', async () => {
    const server = await echoServer()
    const client = echoClient(await inFront([server]))
    const answer = await new Promise((resolve, reject) => {
      const call = client.collect(new grpc.Metadata(), (error, given) =>
        error === null ? resolve(given) : reject(error),
      )
      for (let i = 0; i < 500; i++) call.write({ text: 'x'.repeat(1_000) })
      call.end()
    })
    expect(answer).toEqual({ text: 'server: 500000', count: 500 })
  })

  test('a stream of the server', async () => {
    const server = await echoServer()
    const { texts, status } = await collected(
      echoClient(await inFront([server])).list({ text: 'x'.repeat(1_000), count: 500 }),
    )
    expect([texts.length, status.code]).toEqual([500, 0])
  })

  test('streams of both that answer each other', async () => {
    const server = await echoServer()
    const call = echoClient(await inFront([server])).chat()
    for (let i = 0; i < 50; i++) {
      call.write({ text: String(i) })
      expect((await once(call, 'data'))[0]).toEqual({ text: `server: ${i}` })
    }
    const status = once(call, 'status')
    call.end()
    call.resume()
    expect((await status)[0].code).toBe(0)
  })

  test('messages of many megabytes', async () => {
    const server = await echoServer()
    const text = 'ä'.repeat(4_000_000)
    const { answer } = await unary(echoClient(await inFront([server])), text)
    expect(answer?.text).toHaveLength(text.length + 'server: '.length)
  })

  test('errors with their message and metadata', async () => {
    const server = await echoServer()
    const cutover = await inFront([server])
    const { error } = await unary(echoClient(cutover), 'fail 9')
    expect([error?.code, error?.details, error?.metadata.get('x-why')]).toEqual([9, 'as you wish: ä %', ['because']])
    expect(await logged(cutover, 'unary')).toMatchObject({ status: 200, grpcStatus: 9 })
    expect((await cutover.api('GET', '/metrics')).body).toMatch(
      /^cutover_grpc_requests_total\{.*grpc_status="9".*\} 1$/m,
    )
  })

  test('the server is told that trailers are taken, and the time that the client waits', async () => {
    const server = await echoServer()
    const client = echoClient(await inFront([server]))
    expect((await unary(client, 'x', new grpc.Metadata(), { deadline: Date.now() + 5_000 })).error).toBe(null)
    // The library answers only requests with `te: trailers`; the field itself it does not show.
    expect(server.calls.length).toBe(1)
  })
})

describe('a call that the client gives up', () => {
  test('by cancelling it is cancelled at the server within a second', async () => {
    const server = await echoServer()
    const cutover = await inFront([server])
    const call = echoClient(cutover).list({ text: 'endless', count: 1 })
    call.on('error', () => undefined)
    await once(call, 'data')
    call.cancel()
    await until(() => server.cancelled === 1)
    expect(await logged(cutover, 'list')).toMatchObject({ status: 499, error: 'client_gone' })
  })

  test('because its deadline has passed is cancelled at the server, too', async () => {
    const server = await echoServer()
    const { error } = await unary(echoClient(await inFront([server])), 'never', new grpc.Metadata(), {
      deadline: Date.now() + 300,
    })
    expect(error?.code).toBe(grpc.status.DEADLINE_EXCEEDED)
    await until(() => server.cancelled === 1)
  })
})
