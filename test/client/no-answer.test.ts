import { afterEach, describe, expect, test } from 'vitest'
import { createClient } from '../../src/client/create-client.ts'
import { useShop } from '../admin/support.ts'
import { Relay } from '../support/relay.ts'
import { freePort, type Listening, startRawUpstream, startUpstream } from '../support/upstream.ts'

const shop = useShop()
const open: { close(): Promise<unknown> }[] = []

afterEach(async () => {
  for (const each of open.splice(0)) await each.close()
})

/** A url that lets a request arrive at Cutover, and loses the answer. */
async function losingAnswers(): Promise<{ url: string; relay: Relay }> {
  const relay = await Relay.start(Number(new URL(shop.cutover.admin).port))
  open.push({ close: () => relay.stop() })
  relay.holdAnswersTo('HTTP/1.1\r\n')
  return { url: `http://127.0.0.1:${relay.port}`, relay }
}

/** A url that accepts connections and ends them with the first byte. */
async function broken(): Promise<Listening> {
  const listening = await startRawUpstream((socket) => socket.once('data', () => socket.destroy()))
  open.push(listening)
  return listening
}

const nobody = async (): Promise<string> => `http://127.0.0.1:${await freePort()}`

describe('several urls:', () => {
  test('the next one is asked where nobody listens, whatever the request', async () => {
    const client = createClient({ urls: [await nobody(), await nobody(), shop.cutover.admin] })
    expect((await client.services.list()).services).toHaveLength(1)
    expect(
      (
        await createClient({ urls: [await nobody(), shop.cutover.admin] }).services.put(
          'shop',
          shop.definition() as never,
        )
      ).changed,
    ).toBe(false)
  })

  test('a change whose answer was lost is made once, and its answer comes from the next url', async () => {
    const { url } = await losingAnswers()
    const client = createClient({ urls: [url, shop.cutover.admin], timeoutMs: 1_000 })
    const before = await shop.revision()
    // Twice, it would switch back.
    const { revision, service } = await client.services.switch('shop')
    expect([revision, service?.split]).toEqual([before + 1, { blue: 0, green: 100 }])
    expect(await shop.revision()).toBe(before + 1)
  })

  test('a PUT, PATCH or DELETE that may have arrived is not sent again', async () => {
    const first = await broken()
    const second = await startUpstream()
    open.push(second)
    const client = createClient({ urls: [first.url, second.url] })
    const unanswered = {
      name: 'NoAnswerError',
      mayBeDone: true,
      message: expect.stringContaining('may have been made'),
    }
    await expect(client.services.put('shop', { pools: {} })).rejects.toMatchObject(unanswered)
    await expect(client.services.patch('shop', { balance: 'roundRobin' })).rejects.toMatchObject(unanswered)
    await expect(client.services.delete('shop')).rejects.toMatchObject(unanswered)
    expect([first.accepted, second.requests.length]).toEqual([3, 0])
  })

  test('a read goes on to the next url, and the one that answered is asked first from then on', async () => {
    const first = await broken()
    const client = createClient({ urls: [first.url, shop.cutover.admin] })
    for (let i = 0; i < 3; i++) expect((await client.services.list()).services).toHaveLength(1)
    expect(first.accepted).toBe(1)
  })

  test('a refusal is an answer: no other url is asked', async () => {
    const second = await startUpstream()
    open.push(second)
    const client = createClient({ urls: [shop.cutover.admin, second.url] })
    await expect(client.services.get('nothing')).rejects.toMatchObject({ status: 404 })
    expect(second.requests).toHaveLength(0)
  })

  test('what concerns one instance is refused before it is sent', async () => {
    const first = await broken()
    const client = createClient({ urls: [first.url, shop.cutover.admin] })
    for (const call of [
      () => client.workers.restart(),
      () => client.overrides.delete(),
      () => client.servers.enable('blue1', { scope: 'local' }),
    ])
      await expect(call()).rejects.toThrow('concerns the instance that is asked: name it with at()')
    expect(first.accepted).toBe(0)
  })
})

test('no url answers: the error names each with its reason', async () => {
  const urls = [await nobody(), (await broken()).url]
  const failure = createClient({ urls }).services.list()
  await expect(failure).rejects.toMatchObject({
    name: 'NoAnswerError',
    mayBeDone: false,
    attempts: [
      { url: urls[0], reason: expect.stringContaining('ECONNREFUSED'), mayHaveArrived: false },
      { url: urls[1], mayHaveArrived: true },
    ],
  })
  const unsent = createClient({ url: await nobody() }).services.delete('shop')
  await expect(unsent).rejects.toMatchObject({
    mayBeDone: false,
    message: expect.not.stringContaining('may have been'),
  })
})

test('an answer takes timeoutMs beyond the wait at most, and a signal ends it at once', async () => {
  const { url } = await losingAnswers()
  const late = createClient({ url, timeoutMs: 50 }).services.switch('shop', { to: 'green', wait: '100ms' })
  await expect(late).rejects.toMatchObject({ message: expect.stringContaining('no answer in time'), mayBeDone: true })
  const other = await losingAnswers()
  const client = createClient({ urls: [other.url, shop.cutover.admin] })
  const cause = new Error('enough')
  await expect(client.services.list({ signal: AbortSignal.abort(cause) })).rejects.toBe(cause)
  const controller = new AbortController()
  const cancelled = client.services.list({ signal: controller.signal })
  controller.abort(cause)
  await expect(cancelled).rejects.toBe(cause)
})

test('an answer that breaks off is none', async () => {
  const half = await startRawUpstream((socket) =>
    socket.once('data', () =>
      socket.end('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{"rev'),
    ),
  )
  open.push(half)
  await expect(createClient({ url: half.url }).services.list()).rejects.toMatchObject({ name: 'NoAnswerError' })
  expect((await createClient({ urls: [half.url, shop.cutover.admin] }).services.list()).services).toHaveLength(1)
})

test('what is no admin API is told apart from one', async () => {
  const page = await startUpstream((_request, response) => response.setHeader('content-type', 'text/html').end('<p>Hi'))
  const failing = await startUpstream((_request, response) =>
    response.writeHead(502, { 'content-type': 'application/json' }).end('{"error":"down"}'),
  )
  const moved = await startUpstream((_request, response) => response.writeHead(302, { location: page.url }).end())
  open.push(page, failing, moved)
  const hint = expect.stringContaining('is this the url of an admin API?')
  for (const [{ url }, status] of [
    [page, 200],
    [failing, 502],
    [moved, 302],
  ] as const)
    await expect(createClient({ url }).services.list()).rejects.toMatchObject({
      name: 'ApiError',
      status,
      detail: hint,
    })
})

test('sends the token, and fetch may be another one', async () => {
  const upstream = await startUpstream((_request, response) =>
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}'),
  )
  open.push(upstream)
  const asked: string[] = []
  const client = createClient({
    url: `${upstream.url}/behind/a/proxy/`,
    token: 'secret-1',
    fetch: (input, init) => {
      asked.push(`${init?.method} ${input}`)
      return fetch(input, init)
    },
  })
  await client.servers.list({ service: 'a b' })
  expect(asked).toEqual([`GET ${upstream.url}/behind/a/proxy/api/servers?service=a+b`])
  expect(upstream.requests[0]?.headers.authorization).toBe('Bearer secret-1')
})
