import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { ShopFleet } from './shop-fleet.ts'
import { button, close, confirm, consequences, dialog, expectSoon, splitIs, useBrowser } from './support.ts'

const SHOP = '#/services/shop'
const visits = useBrowser()
let shop: ShopFleet

beforeAll(async () => {
  shop = await ShopFleet.start()
})
afterEach(() => shop.endTest())
afterAll(() => shop?.stop())

test('switches: says before what it will do, then how it goes, and takes it back', async () => {
  shop.load()
  const page = await visits.to(shop.url, SHOP)
  await splitIs(page, 'blue 100 %')
  const held = await shop.hold()
  await button(page, 'Switch…').click()
  await expectSoon(
    () => consequences(page),
    (sentences) => {
      expect(sentences[0]).toBe('green gets all new requests.')
      expect(sentences[1]).toBe('green has 2 of 2 servers up.')
      expect(sentences[2]).toMatch(/^blue keeps \d+ requests? in flight, which ends? by .*It stays warm as standby\.$/)
    },
  )
  await dialog(page).getByLabel('Reason').fill('release 2')
  await button(dialog(page), 'Switch to green').click()
  await dialog(page).getByText('in force at 3 of 3 instances').waitFor()
  await dialog(page).getByText('blue: 1 request in flight').waitFor()
  await dialog(page).getByText('It goes on by itself; you may close this.').waitFor()
  shop.release()
  expect(await held.status).toBe(200)
  await dialog(page).getByText('blue is drained').waitFor()
  await dialog(page).getByText('Complete.').waitFor()
  expect(await shop.split()).toEqual({ blue: 0, green: 100 })
  expect(await shop.change()).toMatchObject({ action: 'switch', reason: 'release 2' })

  await button(dialog(page), 'Undo').click()
  await dialog(page).getByRole('heading', { name: 'Roll shop back' }).waitFor()
  await dialog(page).getByText('green is drained').waitFor()
  await close(page)
  await splitIs(page, 'blue 100 %')
  expect(await shop.split()).toEqual({ blue: 100, green: 0 })
  expect(await shop.change()).toMatchObject({ action: 'rollback', reason: 'undo: Switch shop' })
})

test('shifts to the percentage that is entered, and rolls back', async () => {
  shop.load()
  const page = await visits.to(shop.url, SHOP)
  await button(page, 'Shift…').click()
  const percent = dialog(page).getByRole('spinbutton', { name: 'Share in percent' })
  await percent.fill('101')
  await dialog(page).getByText('A share is from 0 to 100 percent.').waitFor()
  expect(await button(dialog(page), 'Give green 101 %').isDisabled()).toBe(true)
  await percent.fill('37.5')
  await expectSoon(
    () => consequences(page),
    ([first]) => expect(first).toBe('green gets 37.5 % of the new requests instead of 0 %; blue 62.5 %.'),
  )
  await confirm(page, 'Give green 37.5 %', 'a first look')
  await close(page)
  await splitIs(page, 'blue 62.5 %, green 37.5 %')
  expect(await shop.split()).toEqual({ blue: 62.5, green: 37.5 })
  expect(await shop.change()).toMatchObject({ action: 'shift', reason: 'a first look' })

  await button(page, 'Roll back…').click()
  await confirm(page, 'Roll back', 'seen enough')
  await close(page)
  await splitIs(page, 'blue 100 %')
  expect(await shop.split()).toEqual({ blue: 100, green: 0 })
  expect(await shop.change()).toMatchObject({ action: 'rollback', reason: 'seen enough' })
})

test('goes back to a decision of the history', async () => {
  const page = await visits.to(shop.url, SHOP)
  await splitIs(page, 'blue 100 %')
  const before: number = (await shop.change()).revision
  for (const percent of [20, 40]) {
    const body = { to: 'green', percent }
    expect((await shop.fleet.get('b').api('POST', '/api/services/shop/shift?wait=10s', body)).status).toBe(200)
  }
  await splitIs(page, 'blue 60 %, green 40 %')
  const change = page.getByRole('listitem').filter({ has: page.getByText('shift', { exact: true }) })
  await change.filter({ hasText: 'green: none → 20' }).getByRole('button').click()
  await expectSoon(
    () => consequences(page),
    ([first]) =>
      expect(first).toMatch(/^The routing as it was at revision \d+ is in force again: blue 80 %, green 20 %\.$/),
  )
  await confirm(page, 'Roll back', '20 was right')
  await close(page)
  await splitIs(page, 'blue 80 %, green 20 %')
  expect(await shop.split()).toEqual({ blue: 80, green: 20 })
  const latest = await shop.change()
  expect(latest).toMatchObject({ action: 'rollback', reason: '20 was right' })
  expect(latest.revision).toBeGreaterThan(before)
})

test('drains a server, and enables it again', async () => {
  shop.load()
  const page = await visits.to(shop.url, SHOP)
  const row = page.getByRole('row', { name: /^blue1/ })
  await button(page, 'Drain blue1').click()
  await expectSoon(
    () => consequences(page),
    (sentences) => {
      expect(sentences[0]).toMatch(/^blue1 gets no new requests\./)
      expect(sentences[1]).toBe('1 other server of blue takes the requests.')
    },
  )
  await confirm(page, 'Drain blue1', 'new disk')
  await dialog(page).getByText('blue1 is drained').waitFor()
  await close(page)
  await row.getByText('drained').waitFor()
  const { servers } = (await shop.fleet.get('b').api('GET', '/api/servers/blue1?service=shop')).body
  expect(servers).toMatchObject([{ state: 'drain', drained: true }])
  expect(await shop.change()).toMatchObject({ action: 'drain', reason: 'new disk' })

  await button(page, 'Enable blue1').click()
  await dialog(page).getByText('blue1 is up, and gets requests of blue again.').waitFor()
  await confirm(page, 'Enable blue1', 'disk is in')
  await close(page)
  await button(page, 'Drain blue1').waitFor()
  await row.getByText('up', { exact: true }).waitFor()
  expect(await shop.change()).toMatchObject({ action: 'enable', reason: 'disk is in' })
})

test('pauses and resumes, and no request is lost', async () => {
  shop.load()
  const page = await visits.to(shop.url, SHOP)
  await button(page, 'Pause…').click()
  await dialog(page).getByLabel('Hold a request for at most').fill('60')
  await dialog(page)
    .getByText(/after 60 seconds each is answered 504/)
    .waitFor()
  await confirm(page, 'Pause', 'database moves')
  await close(page)
  await page.getByText('paused: requests are held').waitFor()
  expect((await shop.shop()).mode).toBe('paused')
  expect(await shop.change()).toMatchObject({ action: 'pause', reason: 'database moves' })
  await button(page, 'Resume…').click()
  await dialog(page)
    .getByText(/^\d+ requests that are held go on, and new requests go to the pools/)
    .waitFor()
  await confirm(page, 'Resume', 'moved')
  await close(page)
  await button(page, 'Pause…').waitFor()
  expect((await shop.shop()).mode).toBe('serving')
  expect(await shop.change()).toMatchObject({ action: 'resume', reason: 'moved' })
})

test('freezes, is refused a switch in the words of the API, and unfreezes', async () => {
  shop.load()
  const page = await visits.to(shop.url, SHOP, { statuses: [409] })
  await button(page, 'Freeze…').click()
  await confirm(page, 'Freeze', 'sale until Monday')
  await close(page)
  await page.getByText(/^frozen by/).waitFor()
  expect((await shop.shop()).freeze).toMatchObject({ reason: 'sale until Monday' })
  await button(page, 'Switch…').click()
  await dialog(page)
    .getByText(/^The service is frozen by .*: sale until Monday\.$/)
    .waitFor()
  await button(dialog(page), 'Switch to green').click()
  await dialog(page)
    .getByRole('alert')
    .getByText(/sale until Monday/)
    .waitFor()
  await button(dialog(page), 'Cancel').click()
  expect(await shop.split()).toEqual({ blue: 100, green: 0 })
  await button(page, 'Unfreeze…').click()
  await dialog(page)
    .getByText(/has frozen it: sale until Monday/)
    .waitFor()
  await confirm(page, 'Unfreeze', 'it is Monday')
  await close(page)
  await button(page, 'Freeze…').waitFor()
  expect((await shop.shop()).freeze).toBeUndefined()
})

test('stops only after the box is ticked, and resumes', async () => {
  const page = await visits.to(shop.url, SHOP)
  const status = async () => (await fetch(shop.fleet.get('c').proxy)).status
  await button(page, 'Stop…').click()
  await dialog(page)
    .getByText(/is answered 503, until the service is resumed/)
    .waitFor()
  expect(await button(dialog(page), 'Stop the service').isDisabled()).toBe(true)
  await dialog(page).getByRole('checkbox', { name: 'Yes: requests will fail because of it.' }).check()
  await confirm(page, 'Stop the service', 'leak')
  await close(page)
  await page.getByText('stopped: requests are refused').waitFor()
  expect(await status()).toBe(503)
  expect(await shop.change()).toMatchObject({ action: 'stop', reason: 'leak' })
  await button(page, 'Resume…').click()
  await confirm(page, 'Resume', 'mended')
  await close(page)
  await button(page, 'Stop…').waitFor()
  expect(await status()).toBe(200)
  expect(await shop.change()).toMatchObject({ action: 'resume', reason: 'mended' })
})

test('starts a rollout, pauses it, resumes it and aborts it', async () => {
  shop.load()
  const page = await visits.to(shop.url, SHOP)
  const rollout = async () => (await shop.fleet.get('c').api('GET', '/api/services/shop/rollouts')).body.rollouts[0]
  await button(page, 'Start a rollout…').click()
  await dialog(page).getByText('green has 2 of 2 servers up.').waitFor()
  await dialog(page)
    .getByText(/^Steps: .*5 %.*98 %/)
    .waitFor()
  await confirm(page, 'Start the rollout to green', 'release 3')
  await close(page)
  await page.getByRole('link', { name: /^Rollout to green/ }).click()
  await page.getByRole('heading', { name: 'Rollout blue → green' }).waitFor()
  const state = page.getByRole('region', { name: 'State' })
  await state.getByText('5 %', { exact: true }).first().waitFor()
  expect(await rollout()).toMatchObject({ to: 'green', strategy: 'canary', note: 'release 3' })
  await button(page, 'Pause…').click()
  await dialog(page).getByText('It stays at 5 % for green until it is resumed.').waitFor()
  await confirm(page, 'Pause', 'lunch')
  await close(page)
  await state.getByText(/^Paused/).waitFor()
  expect(await rollout()).toMatchObject({ state: 'Paused' })
  await button(page, 'Resume…').click()
  await dialog(page)
    .getByText(/^It goes on with step \d+ of \d+\.$/)
    .waitFor()
  await confirm(page, 'Resume', 'back again')
  await close(page)
  await state.getByText(/^Progressing/).waitFor()
  await button(page, 'Abort…').click()
  await dialog(page)
    .getByText('blue gets all requests again at once; those in flight at green end by themselves.')
    .waitFor()
  await confirm(page, 'Abort', 'wrong day')
  await dialog(page).getByText('green is drained').waitFor()
  await close(page)
  await state.getByText(/^Aborted/).waitFor()
  await button(page, 'Retry…').waitFor()
  expect(await rollout()).toMatchObject({ state: 'Aborted' })
  expect(await shop.split()).toEqual({ blue: 100, green: 0 })
})
