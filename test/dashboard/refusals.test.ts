import { afterAll, beforeAll, expect, test } from 'vitest'
import { Shop } from './shop.ts'
import { button, dialog, splitIs, useBrowser } from './support.ts'

const visits = useBrowser()
let shop: Shop

beforeAll(async () => {
  shop = await Shop.start()
})
afterAll(() => shop?.stop())

test('shows a refusal in the words of the API, and overrides it only after the box is ticked', async () => {
  await shop.post('servers/blue2/drain?service=shop&wait=10s')
  const page = await visits.to(shop.url, '#/services/shop', { statuses: [409] })
  await splitIs(page, 'blue 100 %')
  const refused = await shop.cutover.api('POST', '/api/servers/blue1/drain?service=shop')
  expect(refused).toMatchObject({ status: 409, body: { title: 'Would break a promise' } })
  await button(page, 'Drain blue1').click()
  await dialog(page).getByText('No other server of blue is up.').waitFor()
  await dialog(page).getByLabel('Reason').fill('the disk burns')
  await button(dialog(page), 'Drain blue1').click()
  const alert = dialog(page).getByRole('alert')
  await alert.getByText('Would break a promise', { exact: true }).waitFor()
  await alert.getByText(refused.body.detail, { exact: true }).waitFor()
  expect((await shop.change()).reason).toBe(null)

  const anyway = button(dialog(page), 'Drain blue1 anyway')
  expect(await anyway.isDisabled()).toBe(true)
  await dialog(page)
    .getByRole('checkbox', { name: /breaks this promise/ })
    .check()
  await anyway.click()
  await dialog(page).getByText('blue1 is drained').waitFor()
  await button(dialog(page), 'Close').click()
  expect(await shop.change()).toMatchObject({ action: 'drain', reason: 'the disk burns', forced: true })
  await page.getByText('blue: no server is up').waitFor()
})

test('opens a dialog anew after a refusal', async () => {
  const page = await visits.to(shop.url, '#/services/shop', { statuses: [409] })
  await shop.post('servers/blue1/enable?service=shop&wait=10s')
  await button(page, 'Drain blue1').click()
  await dialog(page).getByLabel('Reason').fill('again')
  await button(dialog(page), 'Drain blue1').click()
  await button(dialog(page), 'Drain blue1 anyway').waitFor()
  await button(dialog(page), 'Cancel').click()
  await button(page, 'Drain blue1').click()
  await button(dialog(page), 'Drain blue1').waitFor()
  expect(await dialog(page).getByRole('alert').count()).toBe(0)
  expect(await dialog(page).getByLabel('Reason').inputValue()).toBe('')
})
