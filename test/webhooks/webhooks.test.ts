import { expect, onTestFinished, test } from 'vitest'
import { killControl } from '../fleet/support.ts'
import { Cutover } from '../support/cutover.ts'
import { until } from '../support/until.ts'
import { SECRET, WebhookReceiver } from '../support/webhook-receiver.ts'

const SHOP = {
  health: 'off',
  split: { blue: 100 },
  pools: { blue: { servers: { b1: 'http://127.0.0.1:9' } }, green: { servers: { g1: 'http://127.0.0.1:9' } } },
}

async function receiving(): Promise<WebhookReceiver> {
  const receiver = await WebhookReceiver.start()
  onTestFinished(() => receiver.stop())
  return receiver
}

async function started(
  webhooks: readonly object[],
  more: Partial<Parameters<typeof Cutover.start>[0]> = {},
): Promise<Cutover> {
  const cutover = await Cutover.start({ services: { shop: SHOP }, webhooks, ...more })
  onTestFinished(async () => {
    await cutover.stop()
  })
  return cutover
}

/** Switches to the other pool; returns the revision. */
async function flip(cutover: Cutover): Promise<number> {
  const { status, body } = await cutover.api('POST', '/api/services/shop/switch', {})
  expect(status).toBe(200)
  return body.revision
}

async function flips(cutover: Cutover, times: number): Promise<number[]> {
  const revisions = []
  for (let i = 0; i < times; i++) revisions.push(await flip(cutover))
  return revisions
}

const revisionsOf = (receiver: WebhookReceiver) => receiver.messages.map(({ body }) => body.revision)

test('events are sent in order, signed, each with a stable id', async () => {
  const receiver = await receiving()
  const cutover = await started([{ url: receiver.url, secret: SECRET, types: ['change'] }])
  const revisions = await flips(cutover, 20)
  await until(() => receiver.calls.length === 20)
  expect(revisionsOf(receiver)).toEqual(revisions)
  expect(receiver.calls.every(({ isSigned, id, body, type }) => isSigned && id === body.id && type === 'change')).toBe(
    true,
  )
  const [first] = receiver.calls
  expect(first?.headers).toMatchObject({
    'content-type': 'application/json',
    'user-agent': 'Cutover',
  })
  expect(Number(first?.headers['webhook-timestamp'])).toBeGreaterThan(Date.now() / 1_000 - 60)
})

test('an event is sent again until it is taken, and those after it wait', async () => {
  const receiver = await receiving()
  const failures = [500, 429, 408, 302]
  receiver.answer = (_call, response) => {
    const status = failures.shift() ?? 200
    response.writeHead(status, status === 429 ? { 'retry-after': '1' } : { location: '/elsewhere' }).end()
  }
  const cutover = await started([{ url: receiver.url, secret: SECRET, types: ['change'] }])
  const revisions = await flips(cutover, 3)
  await until(() => receiver.messages.length === 3)
  expect(receiver.calls.map(({ body }) => body.revision)).toEqual([...Array(4).fill(revisions[0]), ...revisions])
  const [, second, third] = receiver.calls
  expect((third?.at ?? 0) - (second?.at ?? 0)).toBeGreaterThan(950)
  const { body: metrics } = await cutover.api('GET', '/metrics')
  expect(metrics).toMatch(/cutover_webhook_calls_total\{webhook="http:\/\/127\.0\.0\.1:\d+\/…",result="failed"\} 4/)
})

test('an event that the receiver refuses for good is passed over', async () => {
  const receiver = await receiving()
  receiver.answer = ({ body }, response) => response.writeHead(body.reason === 'bad' ? 422 : 200).end()
  const cutover = await started([{ url: receiver.url, secret: SECRET, types: ['change'] }])
  await cutover.api('POST', '/api/services/shop/switch', { reason: 'bad' })
  const next = await flip(cutover)
  await until(() => receiver.messages.length === 2)
  expect(receiver.calls.map(({ body }) => body.revision)).toEqual([next - 1, next])
})

test('a dead receiver keeps no other one waiting, and gets what it has missed when it is back', async () => {
  const [dead, alive] = [await receiving(), await receiving()]
  dead.answer = (_call, response) => response.destroy()
  const cutover = await started([
    { url: dead.url, secret: SECRET, types: ['change'] },
    { url: alive.url, secret: SECRET, types: ['change'] },
  ])
  const revisions = await flips(cutover, 200)
  await until(() => alive.messages.length === 200)
  expect(dead.messages.length).toBe(1)
  const { body: metrics } = await cutover.api('GET', '/metrics')
  const backlogs = [...metrics.matchAll(/^cutover_webhook_backlog\{.*\} (\d+)$/gm)].map(([, value]) => Number(value))
  expect(Math.max(...backlogs)).toBeGreaterThanOrEqual(200)
  dead.answer = (_call, response) => response.writeHead(200).end()
  await until(() => dead.messages.length === 200)
  expect(revisionsOf(dead)).toEqual(revisions)
  expect(`${cutover.stdout}${cutover.stderr}`).toContain('a webhook takes no events')
})

test('kill -9 of the control process: no event is missing after it', async () => {
  const receiver = await receiving()
  const cutover = await started([{ url: receiver.url, secret: SECRET, types: ['change'] }], {
    proxy: { workers: 1, accessLog: 'off' },
  })
  const before = await flips(cutover, 5)
  receiver.answer = (_call, response) => response.destroy()
  const meanwhile = await flips(cutover, 5)
  await killControl(cutover)
  receiver.answer = (_call, response) => response.writeHead(200).end()
  const after = await flips(cutover, 5)
  await until(() => receiver.messages.length === 15)
  expect(revisionsOf(receiver)).toEqual([...before, ...meanwhile, ...after])
})

test('a secret is in no answer and in no log', async () => {
  const receiver = await receiving()
  receiver.answer = (_call, response) => response.destroy()
  const cutover = await started([{ url: receiver.url, secret: SECRET }])
  await flip(cutover)
  await until(() => receiver.calls.length > 1)
  const answers = await Promise.all(
    ['/api/config', '/metrics', '/health', '/api/instances'].map((path) => cutover.api('GET', path)),
  )
  expect(JSON.stringify(answers[0]?.body)).toContain('"secret":"(hidden)"')
  for (const text of [...answers.map(({ body }) => JSON.stringify(body)), cutover.stdout, cutover.stderr]) {
    expect(text).not.toContain(SECRET)
    expect(text).not.toContain('s3cret-path')
  }
})
