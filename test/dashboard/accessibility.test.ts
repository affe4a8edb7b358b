import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Shop } from './shop.ts'
import { button, dialog, useBrowser } from './support.ts'

const TOKEN = 'operate-token-1'
const WIDTHS = [1_280, 768, 360]
/** `npm run test:dashboard` checks all looks, `npm test` two: each takes half a second of axe. */
const IS_LONG = process.env.LONG === '1'
const SHORT = ['1280 light', '360 dark']
const SETTLE_MS = 5_000
const visits = useBrowser()
let shop: Shop
let rollout = ''
let axe = ''

beforeAll(async () => {
  axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
  shop = await Shop.start({ admin: { tokens: [{ name: 'ops', role: 'operate', token: TOKEN }] } })
  const post = (path: string, body?: object) =>
    shop.cutover.api('POST', `/api/${path}`, body, { authorization: `Bearer ${TOKEN}` })
  await post('services/shop/shift', { to: 'green', percent: 30 })
  await post('services/shop/switch', {
    to: 'blue',
    reason: 'a reason that is long enough to need a second line at 360 pixels',
  })
  await post('servers/blue2/drain')
  const started = await post('services/shop/rollouts?force', { to: 'green' })
  rollout = started.body.rollout.id
})
afterAll(() => shop?.stop())

interface Violation {
  readonly id: string
  readonly impact: string
  readonly nodes: readonly { readonly html: string; readonly failureSummary: string }[]
}

/** What axe finds serious in the page as it is, in light and dark, at the widths; and whether it is wider than the screen. */
async function faultsOf(page: Page): Promise<string[]> {
  const faults: string[] = []
  await page.evaluate(axe)
  for (const width of WIDTHS) {
    await page.setViewportSize({ width, height: 900 })
    faults.push(...(await sidewaysOf(page)).map((each) => `${width}: ${each}`))
    for (const colorScheme of ['light', 'dark'] as const) {
      if (!IS_LONG && !SHORT.includes(`${width} ${colorScheme}`)) continue
      await page.emulateMedia({ colorScheme })
      const violations = await page.evaluate<Violation[]>(
        'axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) => violations)',
      )
      for (const { id, impact, nodes } of violations) {
        if (impact !== 'serious' && impact !== 'critical') continue
        faults.push(
          ...nodes.map(({ html, failureSummary }) => `${width} ${colorScheme} ${id}: ${html} ${failureSummary}`),
        )
      }
    }
  }
  return faults
}

/** What is wider than the screen, if that does not change soon: charts take their new size a little after the window. */
async function sidewaysOf(page: Page): Promise<string[]> {
  const widest = () =>
    page.evaluate<string[]>(`document.documentElement.scrollWidth <= document.documentElement.clientWidth ? [] :
      [...document.querySelectorAll('html, body *')]
        .filter((each) => each.scrollWidth > document.documentElement.clientWidth)
        .map((each) => 'scrolls sideways: ' + each.outerHTML.slice(0, 100))`)
  const deadline = performance.now() + SETTLE_MS
  while ((await widest()).length > 0 && performance.now() < deadline)
    await page.evaluate('new Promise(requestAnimationFrame)')
  return widest()
}

async function signedIn(view: string): Promise<Page> {
  const page = await visits.to(shop.url, view, { statuses: [401] })
  await page.getByLabel('Token').fill(TOKEN)
  await page.keyboard.press('Enter')
  await button(page, 'Sign out').waitFor()
  return page
}

test('the token form can be used by all', async () => {
  const page = await visits.to(shop.url, '', { statuses: [401] })
  await page.getByRole('alert').waitFor()
  expect(await faultsOf(page)).toEqual([])
})

test.each<[string, () => string, (page: Page) => Promise<unknown>]>([
  ['overview', () => '', (page) => page.getByRole('link', { name: /^shop/ }).waitFor()],
  ['service', () => '#/services/shop', (page) => button(page, 'Enable blue2').waitFor()],
  ['history', () => '#/services/shop/history', (page) => page.getByText('switch').first().waitFor()],
  ['rollout', () => `#/services/shop/rollouts/${rollout}`, (page) => button(page, 'Abort…').waitFor()],
  ['fleet', () => '#/fleet', (page) => page.getByRole('table').waitFor()],
  [
    'events',
    () => '#/events',
    (page) => page.getByRole('list', { name: 'Events' }).getByText('switch').first().waitFor(),
  ],
])('the view %s can be used by all', async (_, view, isThere) => {
  const page = await signedIn(view())
  await isThere(page)
  expect(await faultsOf(page)).toEqual([])
})

test('the explanation can be used by all', async () => {
  const page = await signedIn('#/explain')
  await button(page, 'Explain').click()
  await page.getByRole('region', { name: 'Answer' }).waitFor()
  expect(await faultsOf(page)).toEqual([])
})

test('a dialog can be used by all, before and after', async () => {
  const page = await signedIn('#/services/shop')
  await button(page, 'Shift…').click()
  await dialog(page)
    .getByText(/of the new requests instead of/)
    .waitFor()
  expect(await faultsOf(page)).toEqual([])
  await button(dialog(page), 'Cancel').click()
  await button(page, 'Freeze…').click()
  await button(dialog(page), 'Freeze').click()
  await dialog(page).getByText('Complete.').waitFor()
  expect(await faultsOf(page)).toEqual([])
})
