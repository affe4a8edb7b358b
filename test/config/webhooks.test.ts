import { expect, test } from 'vitest'
import { shown } from '../../src/config/shown.ts'
import { configOf, configProblemsOf } from './support.ts'

const SECRET = 'whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQ'
const HOOK = { url: 'https://hooks.example/a?token=s3cret', types: ['change', 'rollout.*'], secret: SECRET }

test('webhooks are read, and shown without what is secret', () => {
  const config = configOf({ webhooks: [HOOK, { url: 'http://127.0.0.1:9/', secret: SECRET }] })
  expect(config.webhooks).toEqual([HOOK, { url: 'http://127.0.0.1:9/', types: [], secret: SECRET }])
  expect(shown(config)).toMatchObject({
    webhooks: [
      { url: 'https://hooks.example/…', types: HOOK.types, secret: '(hidden)' },
      { url: 'http://127.0.0.1:9', types: [], secret: '(hidden)' },
    ],
  })
})

test.each([
  [{ ...HOOK, url: 'ftp://hooks.example/' }, 'webhooks[0].url', /expected http:/],
  [{ ...HOOK, url: 'https://me:s3cret@hooks.example/' }, 'webhooks[0].url', /without credentials/],
  [{ ...HOOK, types: ['helth'] }, 'webhooks[0].types[0]', /known: change, health/],
  [{ ...HOOK, secret: 'short' }, 'webhooks[0].secret', /at least 16 characters/],
  [{ url: HOOK.url }, 'webhooks[0].secret', /required|missing|needed/],
])('%j is refused at %s', (hook, path, message) => {
  const problems = configProblemsOf({ webhooks: [hook] })
  expect(problems).toEqual([expect.stringMatching(message)])
  expect(problems[0]).toContain(`${path}: `)
  expect(JSON.stringify(problems)).not.toMatch(/s3cret|short"/)
})

test('a url stands once', () => {
  const problems = configProblemsOf({ webhooks: [HOOK, HOOK] })
  expect(problems).toEqual(['webhooks[1].url: is that of webhooks[0] as well; name all types there'])
})
