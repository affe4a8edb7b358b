import type { Locator, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { Shop } from './shop.ts'
import { button, dialog, expectSoon, isFocused, splitIs, useBrowser } from './support.ts'

/** More than there are places to go to in any view. */
const MAX_TABS = 60
const visits = useBrowser()
let shop: Shop

beforeAll(async () => {
  shop = await Shop.start()
})
afterEach(() => shop.switch('blue'))
afterAll(() => shop?.stop())

/** Moves on with Tab until something has the focus. */
async function tabTo(page: Page, wanted: Locator): Promise<void> {
  await wanted.waitFor()
  for (let i = 0; i < MAX_TABS; i++) {
    if (await isFocused(wanted)) return
    await page.keyboard.press('Tab')
  }
  throw new Error(`Tab does not reach ${wanted}`)
}

async function isSoonFocused(wanted: Locator): Promise<void> {
  await expectSoon(
    () => isFocused(wanted),
    (isSo) => expect(isSo).toBe(true),
  )
}

test('switches without a mouse', async () => {
  const page = await visits.to(shop.url)
  await tabTo(page, page.getByRole('link', { name: /^shop/ }))
  await page.keyboard.press('Enter')
  await isSoonFocused(page.getByRole('heading', { name: 'shop', exact: true }))
  await tabTo(page, button(page, 'Switch…'))
  await page.keyboard.press('Enter')
  await dialog(page).getByText('green gets all new requests.').waitFor()
  await tabTo(page, dialog(page).getByLabel('Reason'))
  await page.keyboard.type('by hand')
  await tabTo(page, button(dialog(page), 'Switch to green'))
  await page.keyboard.press('Enter')
  await dialog(page).getByText('Complete.').waitFor()
  await tabTo(page, button(dialog(page), 'Close'))
  await page.keyboard.press('Enter')
  await dialog(page).waitFor({ state: 'hidden' })
  await splitIs(page, 'green 100 %')
  await isSoonFocused(button(page, 'Switch…'))
  expect(await shop.change()).toMatchObject({ action: 'switch', reason: 'by hand' })
})

test('returns the focus to the button that has opened a dialog when it is closed by Esc', async () => {
  const page = await visits.to(shop.url, '#/services/shop')
  for (const name of ['Shift…', 'Stop…', 'Drain blue1']) {
    await tabTo(page, button(page, name))
    await page.keyboard.press('Enter')
    await dialog(page).waitFor()
    // The focus stays inside of an open dialog.
    for (let i = 0; i < 10; i++) await page.keyboard.press('Tab')
    expect(await page.evaluate('document.activeElement.closest("dialog, body").tagName')).toMatch(/DIALOG|BODY/)
    await page.keyboard.press('Escape')
    await dialog(page).waitFor({ state: 'hidden' })
    await isSoonFocused(button(page, name))
  }
})

test('a dialog begins at its first input, and Enter there does not do what is asked about', async () => {
  const page = await visits.to(shop.url, '#/services/shop')
  await tabTo(page, button(page, 'Stop…'))
  await page.keyboard.press('Enter')
  await isSoonFocused(dialog(page).getByLabel('Reason'))
  await page.keyboard.press('Enter')
  await dialog(page).getByRole('checkbox').waitFor()
  expect((await shop.cutover.api('GET', '/api/services/shop')).body.mode).toBe('serving')
})

test('goes to views by two keys, and shows the keys', async () => {
  const page = await visits.to(shop.url)
  await page.getByRole('heading', { name: 'Services', exact: true }).waitFor()
  for (const [key, heading] of [
    ['f', 'Fleet'],
    ['e', 'Events'],
    ['x', 'What would a request get?'],
    ['s', 'Services'],
  ] as const) {
    await page.keyboard.press('g')
    await page.keyboard.press(key)
    await isSoonFocused(page.getByRole('heading', { name: heading, exact: true }))
  }
  await page.keyboard.press('?')
  await dialog(page).getByRole('heading', { name: 'Keyboard' }).waitFor()
  await dialog(page).getByText('g f').waitFor()
  await page.keyboard.press('Escape')
  await dialog(page).waitFor({ state: 'hidden' })
  // Keys that are typed into a field go nowhere.
  await page.keyboard.press('/')
  await page.keyboard.type('gf?')
  expect(await page.getByRole('searchbox').inputValue()).toBe('gf?')
  await page.getByRole('heading', { name: 'Services', exact: true }).waitFor()
})

test('the first Tab offers to skip to the content', async () => {
  const page = await visits.to(shop.url)
  await page.getByRole('link', { name: /^shop/ }).waitFor()
  await page.keyboard.press('Tab')
  await isSoonFocused(button(page, 'To the content'))
  await page.keyboard.press('Enter')
  await isSoonFocused(page.getByRole('main'))
})
