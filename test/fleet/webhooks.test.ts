import { afterEach, expect, onTestFinished, test } from 'vitest'
import { until } from '../support/until.ts'
import { SECRET, WebhookReceiver } from '../support/webhook-receiver.ts'
import { Fleet, INSTANCES, type InstanceName, killWhole } from './support.ts'

let fleet: Fleet
afterEach(() => fleet.stop())

/** The instance that sends; null = none does. */
async function sender(): Promise<InstanceName | null> {
  for (const name of INSTANCES.filter((each) => fleet.all.includes(fleet.get(each)))) {
    const { body } = await fleet.get(name).api('GET', '/metrics')
    if (/result="delivered"\} [1-9]/.test(body)) return name
  }
  return null
}

async function flips(at: InstanceName, times: number): Promise<number[]> {
  const revisions = []
  while (revisions.length < times) {
    const { status, body } = await fleet.get(at).api('POST', '/api/services/shop/switch', {})
    // 409: a lease was taken meanwhile.
    if (status === 200) revisions.push(body.revision)
  }
  return revisions
}

test('one instance sends; when it is killed, another goes on, and no event is missing', async () => {
  const receiver = await WebhookReceiver.start()
  onTestFinished(() => receiver.stop())
  fleet = await Fleet.start({ webhooks: [{ url: receiver.url, secret: SECRET, types: ['change'] }] })
  const changes: number[] = []
  // A new webhook begins when the first instance has begun to send.
  await until(async () => {
    changes.splice(0, changes.length, ...(await flips('a', 1)))
    return receiver.calls.length > 0
  })
  const first = receiver.messages[0]?.body.revision
  await until(() => receiver.messages.some(({ body }) => body.revision === changes.at(-1)))
  const leader = await until(sender)
  const others = INSTANCES.filter((name) => name !== leader)
  const [other = 'a'] = others
  // Some events wait when it dies.
  receiver.answer = (_call, response) => response.destroy()
  changes.push(...(await flips(other, 5)))
  await killWhole(fleet.get(leader))
  receiver.answer = (_call, response) => response.writeHead(200).end()
  changes.push(...(await flips(other, 5)))
  await until(() => receiver.messages.some(({ body }) => body.revision === changes.at(-1)))
  const { body } = await fleet.get(other).api('GET', '/api/services/shop/history?limit=100')
  const made = body.history
    .map(({ revision }: { revision: number }) => revision)
    .filter((each: number) => each >= first)
  expect(receiver.messages.map((each) => each.body.revision)).toEqual(made.toReversed())
  expect(receiver.calls.every(({ isSigned }) => isSigned)).toBe(true)
})
