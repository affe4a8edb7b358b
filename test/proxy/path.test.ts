import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Cutover } from '../support/cutover.ts'
import { ask, endAll, speaking, startCutover } from './support.ts'

let cutover: Cutover
let server: Awaited<ReturnType<typeof speaking>>

beforeAll(async () => {
  server = await speaking(() => 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n')
  const servers = [server]
  cutover = await startCutover({
    whole: { servers },
    stripped: { servers, paths: ['/api', '/v2/deep/'], stripPrefix: true },
    kept: { servers, paths: ['/api'] },
    both: { servers, paths: ['/', '/api'], stripPrefix: true },
  })
})

afterAll(endAll)

/** What the server sees of a request target, and of the prefix; the status alone when it sees nothing. */
async function seen(host: string, target: string, ...more: string[]): Promise<readonly unknown[]> {
  const before = server.requests.length
  const response = await ask(cutover, [`GET ${target} HTTP/1.1`, `host: ${host}.test`, ...more])
  const request = server.requests[before]
  if (request === undefined) return [response.status]
  return [request.startLine.slice('GET '.length, -' HTTP/1.1'.length), request.field('x-forwarded-prefix')]
}

describe('W7 the target goes upstream byte for byte', () => {
  test.each([
    '/a%2Fb//c/./d?x=a;b&y=%x&z={}',
    '/',
    '//',
    '//evil.example/x',
    '/../../etc/passwd',
    '/a/../b/./c/',
    '/%2e%2e/%00/%zz%',
    '/a+b%20c?q=a+b&q=%20',
    '/?',
    '/??a=1?b=2',
    '/?/api',
    '/"<>\\^`{|}',
    "/~!$&'()*+,;=:@[]",
    '/http://other.example/',
    `/${'long/'.repeat(1_500)}`,
  ])('%s', async (target) => {
    expect(await seen('whole', target)).toEqual([target, undefined])
  })
})

describe('W7 stripPrefix takes the prefix that matched, and nothing else', () => {
  test.each([
    ['/api', '/', '/api'],
    ['/api/', '/', '/api'],
    ['/api?x', '/?x', '/api'],
    ['/api/?x=/api', '/?x=/api', '/api'],
    ['/api/users/', '/users/', '/api'],
    ['/api/api/x', '/api/x', '/api'],
    ['/api//x', '//x', '/api'],
    ['/api/%2F..//x;y?z', '/%2F..//x;y?z', '/api'],
    ['/v2/deep', '/', '/v2/deep'],
    ['/v2/deep/x', '/x', '/v2/deep'],
  ])('%s goes upstream as %s', async (target, expected, prefix) => {
    expect(await seen('stripped', target)).toEqual([expected, prefix])
  })

  test.each(['/apix', '/apix/y', '/ap', '/', '/API', '/%61pi', '//api', '/x/api', '/?/api', '/v2', '/v2/deeper'])(
    '%s does not match',
    async (target) => {
      expect(await seen('stripped', target)).toEqual([404])
    },
  )

  test.each([
    ['/', '/'],
    ['/?x', '/?x'],
    ['//', '//'],
    ['//api', '//api'],
    ['//x/y', '//x/y'],
    ['/apix', '/apix'],
  ])('with / among the paths, %s matches that and stays whole', async (target, expected) => {
    expect(await seen('both', target)).toEqual([expected, undefined])
  })

  test('a prefix claimed by the client is not believed', async () => {
    expect(await seen('stripped', '/api/x', 'x-forwarded-prefix: /evil')).toEqual(['/x', '/api'])
    expect(await seen('whole', '/x', 'x-forwarded-prefix: /evil')).toEqual(['/x', undefined])
  })
})

test.each(['/api', '/api/', '/api?x', '/api/a/b'])('without stripPrefix %s stays whole', async (target) => {
  expect(await seen('kept', target)).toEqual([target, undefined])
})
