import type { Page } from 'playwright-core'
import { beforeEach, expect, test } from 'vitest'
import { atEnd } from '../support/endings.ts'
import { Shop } from './shop.ts'
import { button, close, confirm, consequences, dialog, expectSoon, useBrowser } from './support.ts'

const visits = useBrowser()
let shop: Shop
let page: Page

beforeEach(async () => {
  shop = await Shop.start()
  // After the windows are closed.
  atEnd(() => shop.stop())
})

/** Starts a rollout to green that waits at 10 % for `qa`, and at 50 % for `boss`, and opens its view. */
async function open(): Promise<void> {
  const steps = [{ setWeight: 10 }, { pause: { name: 'qa' } }, { setWeight: 50 }, { pause: { name: 'boss' } }]
  await shop.post('services/shop/rollouts', { to: 'green', steps, watch: { duration: '1s' } })
  page = await visits.to(shop.url, '#/services/shop')
  await page.getByRole('link', { name: /^Rollout to green/ }).click()
  await page.getByRole('heading', { name: 'Rollout blue → green' }).waitFor()
  await button(page, 'Approve “qa”…').waitFor()
}

async function rollout() {
  return (await shop.cutover.api('GET', '/api/services/shop/rollouts')).body.rollouts[0]
}

async function share(): Promise<number> {
  const { pools } = (await shop.cutover.api('GET', '/api/services/shop')).body
  return pools.find(({ name }: { name: string }) => name === 'green').share
}

/** Presses a button of the view, reads what it will do, and does it. */
async function act(name: string, sentence: string, verb: string): Promise<void> {
  await button(page, name).click()
  await expectSoon(
    () => consequences(page),
    ([first]) => expect(first).toBe(sentence),
  )
  await confirm(page, verb, `because of ${verb}`, '1 of 1 instance')
  await close(page)
}

async function shows(text: string | RegExp): Promise<void> {
  await page.getByRole('region', { name: 'State' }).getByText(text).first().waitFor()
}

test('approves one gate after the other, and green has everything', async () => {
  await open()
  await act('Approve “qa”…', 'The rollout goes on with its next step.', 'Approve')
  await button(page, 'Approve “boss”…').waitFor()
  expect(await share()).toBe(50)
  await act('Approve “boss”…', 'The rollout goes on with its next step.', 'Approve')
  await shows('Succeeded')
  expect(await share()).toBe(100)
})

test('rejects a gate, and retries the aborted rollout', async () => {
  await open()
  await act('Reject…', 'The rollout is aborted: blue gets all requests again.', 'Reject')
  await shows(/^Aborted/)
  expect(await share()).toBe(0)
  await act('Retry…', 'It starts again from its first step, towards green.', 'Retry')
  await expectSoon(share, (found) => expect(found).toBe(10))
  expect(['Progressing', 'Paused']).toContain((await rollout()).state)
})

test('promotes a step, then promotes fully', async () => {
  await open()
  const promise =
    'The present step counts as passed, whatever the figures say; the next one follows. After the last one green has all requests.'
  await act('Promote this step…', promise, 'Promote this step')
  await button(page, 'Approve “boss”…').waitFor()
  await act('Promote fully…', 'green gets all new requests now; no step is judged any more.', 'Give green everything')
  await shows('Succeeded')
  expect(await share()).toBe(100)
})

test('sets the weight, goes back, skips, and begins a step again', async () => {
  await open()
  await page.getByText('More', { exact: true }).click()
  await button(page, 'Set the weight…').click()
  await dialog(page).getByRole('spinbutton', { name: 'Share in percent' }).fill('33')
  await dialog(page).getByText('green gets 33 % of the new requests instead of 10 %; blue 67 %.').waitFor()
  await confirm(page, 'Give green 33 %', 'a third', '1 of 1 instance')
  await close(page)
  expect(await share()).toBe(33)
  await act('Skip this step…', 'Step 2 of 4 is left as if it had passed.', 'Skip this step')
  await button(page, 'Approve “boss”…').waitFor()
  expect(await share()).toBe(50)
  await act('Begin this step again…', 'Step 4 of 4 begins again, with new evidence.', 'Begin this step again')
  await act(
    'Go a step back…',
    'green gets the share that it had before the present one, and is judged with that.',
    'Go a step back',
  )
  await expectSoon(share, (found) => expect(found).toBeLessThan(50))
})
