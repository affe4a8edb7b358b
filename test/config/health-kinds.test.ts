import { describe, expect, test } from 'vitest'
import { checkService } from '../../src/config/check-service.ts'
import { withDefaults } from '../../src/config/with-defaults.ts'
import type { HealthSpec } from '../../src/model/spec.ts'

function check(health: object, url = 'http://10.0.0.1:80') {
  return checkService('shop', { pools: { main: { servers: { a: url } } }, health }, 'services.shop')
}

function specOf(health: object, url?: string): HealthSpec | null {
  const checked = check(health, url)
  if (!checked.ok) throw new Error(JSON.stringify(checked.problems))
  return checked.spec.health
}

function problemsOf(health: object, url?: string): string[] {
  const checked = check(health, url)
  return checked.ok ? [] : checked.problems.map(({ path, message }) => `${path}: ${message}`)
}

test('each kind, and what an answer is expected to have', () => {
  expect(specOf({})).not.toHaveProperty('probe')
  expect(specOf({ tcp: true, port: 81 })).toMatchObject({ probe: 'tcp', port: 81 })
  expect(specOf({ tls: true }, 'https://a.test')).toMatchObject({ probe: 'tls' })
  expect(specOf({ tcp: false, tls: false })).not.toHaveProperty('probe')
  expect(specOf({ grpc: '', host: 'a.test', headers: { 'x-a': '1' } })).toMatchObject({ probe: { grpc: '' } })
  const expect_ = {
    status: '200,404',
    header: { 'X-Ready': 'yes', b: { prefix: 'x' } },
    json: { '/status': 'ok', '/n': 1 },
  }
  expect(specOf({ expect: expect_ })).toMatchObject({
    expect: [
      [200, 200],
      [404, 404],
    ],
    expectHeaders: { 'x-ready': { exact: 'yes' }, b: { prefix: 'x' } },
    expectJson: { '/status': 'ok', '/n': 1 },
  })
  expect(specOf({ expect: { json: { '/status': 'ok' } } })).toMatchObject({ expect: [[200, 299]] })
  expect(specOf({ expect: 204 })).toMatchObject({ expect: [[204, 204]] })
})

test('a definition with all defaults written out means the same', () => {
  for (const health of [{ tcp: true }, { grpc: 'x.Y' }, { expect: { header: { a: '1' } } }]) {
    const whole = withDefaults({ pools: { main: { servers: { a: 'http://10.0.0.1:80' } } }, health })
    const [given, again] = [check(health), checkService('shop', whole, 'services.shop')]
    expect(again).toEqual(given)
  }
})

describe('settings that do not go together', () => {
  test.each([
    [{ tcp: true, grpc: 'x' }, 'services.shop.health.tcp: cannot be used with grpc; a server is probed in one way'],
    [{ tcp: true, path: '/x' }, 'services.shop.health.path: cannot be used with tcp: a connection alone has none'],
    [{ tcp: true, host: 'a.test' }, 'services.shop.health.host: cannot be used with tcp: a connection alone has none'],
    [
      { tcp: true, headers: { a: '1' } },
      'services.shop.health.headers: cannot be used with tcp: a connection alone has none',
    ],
    [
      { grpc: '', body: 'x' },
      'services.shop.health.body: cannot be used with grpc: a call of the gRPC health service has none',
    ],
    [
      { grpc: '', expect: 204 },
      'services.shop.health.expect: cannot be used with grpc, which passes or fails by itself; leave it out',
    ],
    [
      { expect: { json: { '/a': 1 } }, body: 'x' },
      'services.shop.health.body: cannot be used with expect.json; name the value there',
    ],
    [
      { tls: true },
      'services.shop.health.tls: needs https:// servers, and a is http://10.0.0.1; use tcp, or https:// there',
    ],
  ])('%j', (health, problem) => {
    expect(problemsOf(health)).toEqual([problem])
  })

  test('a port for a server at a socket file', () => {
    expect(problemsOf({ port: 81 }, 'unix:/run/app.sock')).toEqual([
      'services.shop.health.port: cannot be used with a, which is at a socket file; leave it out',
    ])
  })
})

describe('values that do not fit', () => {
  test.each([
    [{ grpc: 'a\n' }, 'services.shop.health.grpc: expected the name of a gRPC service'],
    [{ expect: 'all' }, 'services.shop.health.expect: expected status codes such as 200-299'],
    [{ expect: { status: 99 } }, 'services.shop.health.expect.status: expected status codes such as 200-299'],
    [
      { expect: { json: { status: 'ok' } } },
      'services.shop.health.expect.json.status: cannot be a name; expected a JSON pointer',
    ],
    [{ expect: { json: { '/a': [1] } } }, 'services.shop.health.expect.json["/a"]: expected a text, a number'],
    [{ expect: { header: { 'a b': '1' } } }, 'services.shop.health.expect.header["a b"]: cannot be a name'],
    [{ expect: { staus: 200 } }, 'services.shop.health.expect.staus: unknown key "staus"; did you mean "status"?'],
  ])('%j', (health, problem) => {
    expect(problemsOf(health).join('\n')).toContain(problem)
  })
})
