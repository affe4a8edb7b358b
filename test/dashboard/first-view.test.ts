import type { Response } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Shop } from './shop.ts'
import { useBrowser } from './support.ts'

/** Of the page, its scripts and its styles, as they are sent. */
const MAX_BYTES = 100_000
const FILES = new Set(['document', 'script', 'stylesheet', 'image'])
const visits = useBrowser()
let shop: Shop

beforeAll(async () => {
  const tokens = [{ name: 'ops', role: 'operate', token: 'operate-token-1' }]
  shop = await Shop.start({ admin: { tokens } })
})
afterAll(() => shop?.stop())

test('the first view is small, may load nothing from elsewhere, and is kept by the browser', async () => {
  const page = await visits.blank(shop.url, { statuses: [401] })
  const answers: Response[] = []
  page.on('response', (response) => answers.push(response))
  await page.goto(shop.url)
  await page.getByLabel('Token').fill('operate-token-1')
  await page.keyboard.press('Enter')
  await page.getByRole('link', { name: /^shop/ }).waitFor()
  const files = answers.filter((answer) => FILES.has(answer.request().resourceType()))
  const bytes = new Map<string, number>()
  for (const file of files) {
    const headers = await file.allHeaders()
    expect(headers['content-security-policy']).toContain("default-src 'self'")
    expect(headers['x-content-type-options']).toBe('nosniff')
    const isAsset = file.url().includes('/assets/')
    expect(headers['cache-control']).toContain(isAsset ? 'immutable' : 'no-cache')
    const { responseBodySize } = await file.request().sizes()
    bytes.set(file.url(), Math.max(responseBodySize, bytes.get(file.url()) ?? 0))
  }
  const sum = [...bytes.values()].reduce((all, each) => all + each, 0)
  console.log(`first view: ${sum} bytes in ${bytes.size} files`)
  expect(bytes.size).toBeGreaterThanOrEqual(3)
  expect(sum).toBeGreaterThan(5_000)
  expect(sum).toBeLessThan(MAX_BYTES)
})

test('the page is answered without a token, the state is not', async () => {
  const page = await fetch(`${shop.url}/`)
  expect(page.status).toBe(200)
  const text = await page.text()
  expect(text).toContain('<title>Cutover</title>')
  expect(text).not.toContain('shop')
  expect((await fetch(`${shop.url}/api/services`)).status).toBe(401)
})
