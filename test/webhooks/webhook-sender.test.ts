import { createHash } from 'node:crypto'
import { setImmediate as turn } from 'node:timers/promises'
import { pino } from 'pino'
import { expect, onTestFinished, test } from 'vitest'
import { signature } from '../../src/control/webhooks/signature.ts'
import { WebhookSender } from '../../src/control/webhooks/webhook-sender.ts'
import { KEEP_EVENTS } from '../../src/store/kept-events.ts'
import { MemoryLog } from '../support/memory-log.ts'
import { until } from '../support/until.ts'
import { SECRET, WebhookReceiver } from '../support/webhook-receiver.ts'

async function sending(log: MemoryLog, position?: string) {
  const receiver = await WebhookReceiver.start()
  const settings = { url: receiver.url, types: [], secret: SECRET }
  const sender = new WebhookSender(settings, 'hook', log, pino({ level: 'silent' }))
  const stopped = new AbortController()
  if (position !== undefined)
    await log.moveCursor(createHash('sha256').update(receiver.url).digest('hex').slice(0, 32), position)
  const run = sender.run(0, stopped.signal)
  onTestFinished(async () => {
    stopped.abort()
    await run
    await receiver.stop()
  })
  await until(() => log.cursors.size === 1)
  return { receiver, sender }
}

test('the signature is that of the specification of Standard Webhooks', () => {
  const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
  const body = '{"test": 2432232314}'
  expect(signature(secret, 'msg_p5jXN8AQM9LWM0D4loKWxJek', 1_614_265_330, body)).toBe(
    'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  )
})

test('an instance that goes on where another one has sent waits until it knows these events, too', async () => {
  const log = new MemoryLog()
  log.add(5)
  const { receiver } = await sending(log, '7-0')
  for (let turns = 0; turns < 100; turns++) await turn()
  log.add(1)
  log.add(3)
  await until(() => receiver.calls.at(-1)?.id === '9-0')
  expect(receiver.messages.map(({ id }) => id)).toEqual(['8-0', '9-0'])
})

test('a receiver that was dead for more events than are kept gets a gap, then those that are kept', async () => {
  const log = new MemoryLog()
  log.add(5)
  const { receiver, sender } = await sending(log)
  receiver.answer = (_call, response) => response.writeHead(503).end()
  const lost = 2 * KEEP_EVENTS
  log.add(1)
  await until(() => receiver.calls.length > 0)
  log.add(lost)
  expect(sender.figures.backlog).toBeLessThanOrEqual(KEEP_EVENTS + 1_000)
  receiver.answer = (_call, response) => response.writeHead(204).end()
  log.add(1)
  await until(() => receiver.calls.at(-1)?.id === `${5 + 1 + lost + 1}-0`, 80_000)
  const ids = receiver.messages.map(({ id }) => id)
  const kept = log.kept.all.map(({ id }) => id)
  expect(ids[0]).toBe('6-0')
  expect(ids[1]).toBe(`gap-${log.kept.all[0]?.previous}`)
  expect(ids.slice(2)).toEqual(kept)
  expect(receiver.messages[1]?.body).toEqual({ type: 'gap', after: '6-0', next: log.kept.all[0]?.previous })
  // The first of them was taken.
  expect(sender.figures.dropped).toBe(lost + 1 - kept.length)
  expect(receiver.calls.every(({ isSigned }) => isSigned)).toBe(true)
})
