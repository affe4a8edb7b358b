import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { atEnd } from '../support/endings.ts'
import { Shop } from './shop.ts'
import { button, splitIs, useBrowser } from './support.ts'

const TOKENS = { read: 'read-token-1', operate: 'operate-token-1' }
const tokens = [
  { name: 'screen', role: 'read', token: TOKENS.read },
  { name: 'ops', role: 'operate', token: TOKENS.operate },
]
const SHOP = '#/services/shop'
const visits = useBrowser()
let shop: Shop

beforeAll(async () => {
  shop = await Shop.start({ admin: { tokens } })
})
afterAll(() => shop?.stop())

async function enter(page: Page, token: string): Promise<void> {
  await page.getByLabel('Token').fill(token)
  await button(page, 'Sign in').click()
}

test('asks for a token, and refuses a wrong one in words', async () => {
  const page = await visits.to(shop.url, SHOP, { statuses: [401] })
  await page.getByRole('alert').getByText('This instance asks for a token.').waitFor()
  expect(await page.getByText('blue').count()).toBe(0)
  await enter(page, 'wrong-token')
  const { body } = await shop.cutover.api('GET', '/api/whoami', undefined, { authorization: 'Bearer wrong-token' })
  await page.getByRole('alert').getByText(body.detail, { exact: true }).waitFor()
  await enter(page, TOKENS.read)
  await splitIs(page, 'blue 100 %')
})

test('shows no buttons of actions to a token that may only read', async () => {
  const page = await visits.to(shop.url, SHOP, { statuses: [401] })
  await enter(page, TOKENS.read)
  await page.getByText(/screen \(read\)/).waitFor()
  await splitIs(page, 'blue 100 %')
  await page
    .getByRole('row', { name: /^blue1/ })
    .getByText('up', { exact: true })
    .waitFor()
  for (const action of [/^Switch/, /^Shift/, /^Roll back/, /^Pause/, /^Freeze/, /^Stop/, /^Drain/, /rollout/]) {
    expect(await button(page, action).count()).toBe(0)
  }
})

test('shows them to one that may operate, keeps it in the tab alone, and forgets it at the end', async () => {
  const page = await visits.to(shop.url, SHOP, { statuses: [401] })
  await enter(page, TOKENS.operate)
  await page.getByText(/ops \(operate\)/).waitFor()
  for (const action of ['Switch…', 'Stop…', 'Drain blue1']) await button(page, action).waitFor()
  expect(page.url()).toBe(`${shop.url}/${SHOP}`)
  expect(await page.evaluate('JSON.stringify({ ...localStorage }) + document.cookie')).toBe('{}')
  // Another tab is asked again.
  const other = await page.context().newPage()
  await other.goto(shop.url)
  await other.getByLabel('Token').waitFor()
  await page.reload()
  await button(page, 'Switch…').waitFor()
  await button(page, 'Sign out').click()
  await page.getByRole('alert').getByText('This instance asks for a token.').waitFor()
  expect(await page.evaluate('JSON.stringify({ ...sessionStorage })')).toBe('{}')
})

test('asks again after too many wrong tokens, in the words of the API, and lets a right one in', async () => {
  const guarded = await Shop.start({ admin: { tokens } })
  atEnd(() => guarded.stop())
  const page = await visits.to(guarded.url, SHOP, { statuses: [401, 429] })
  const refused = page.getByRole('alert').getByText(/nor were many before it from this address/)
  const guess = () => guarded.cutover.api('GET', '/api/whoami', undefined, { authorization: 'Bearer guessed' })
  await page.getByLabel('Token').waitFor()
  expect((await Promise.all(Array.from({ length: 30 }, guess))).map(({ status }) => status)).toContain(429)
  await enter(page, 'wrong-token')
  await refused.waitFor()
  await enter(page, TOKENS.read)
  await splitIs(page, 'blue 100 %')
})
