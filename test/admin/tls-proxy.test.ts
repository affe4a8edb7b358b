import { describe, expect, test } from 'vitest'
import { problem, send, useShop } from './support.ts'

const NAME = 'admin.example.com'
const shop = useShop({ admin: { hosts: [NAME], trustedProxies: ['127.0.0.1'] } })

const SWITCH = '/api/services/shop/switch'
const post = (headers: Record<string, string>) => send(shop.cutover.admin, { method: 'POST', path: SWITCH, headers })

describe('behind a proxy of admin.trustedProxies that ends TLS', () => {
  test.each([NAME, `${NAME}:443`])('a browser may write as %s: its Origin is the https one', async (host) => {
    const { status } = await post({ host, origin: `https://${NAME}`, 'x-forwarded-proto': 'https' })
    expect(status).toBe(200)
  })

  test.each([
    ['without X-Forwarded-Proto', { origin: `https://${NAME}` }],
    ['that came by http', { origin: `https://${NAME}`, 'x-forwarded-proto': 'http' }],
    ['of a page that came by http', { origin: `http://${NAME}`, 'x-forwarded-proto': 'https' }],
    ['of another page', { origin: 'https://evil.example', 'x-forwarded-proto': 'https' }],
    ['of another port', { origin: `https://${NAME}:8443`, 'x-forwarded-proto': 'https' }],
  ])('a write %s is foreign', async (_what, headers) => {
    const { detail } = problem(await post({ host: NAME, ...headers }), 403, 'Foreign Origin')
    expect(detail).toContain('admin.trustedProxies')
  })
})
