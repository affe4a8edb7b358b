import { describe, expect, test } from 'vitest'
import { problemsOf, SMALL, specOf } from './support.ts'

test('edits as written are those of the model; edits that change nothing are none', () => {
  const headers = { request: { set: { Host: 'app.internal' } }, response: { remove: ['Server'] } }
  expect(specOf({ ...SMALL, headers }).traffic.headers).toEqual({
    request: { set: { Host: 'app.internal' }, remove: [] },
    response: { set: {}, remove: ['Server'] },
  })
  expect(specOf({ ...SMALL, headers: { request: { set: {} }, response: {} } }).traffic.headers).toBeNull()
})

describe('a problem is reported with its path', () => {
  const NOT_OURS = 'cannot be changed: Cutover frames messages and keeps connections itself'
  test.for<[object, string]>([
    [{ request: { set: { 'Content-Length': '1' } } }, `headers.request.set.Content-Length: ${NOT_OURS}`],
    [{ request: { set: { transfer_encoding: 'x' } } }, `headers.request.set.transfer_encoding: ${NOT_OURS}`],
    [{ request: { remove: ['X-A', 'Expect'] } }, `headers.request.remove[1]: ${NOT_OURS}`],
    [{ response: { remove: ['Connection'] } }, `headers.response.remove[0]: ${NOT_OURS}`],
    [{ response: { set: { Upgrade: 'x' } } }, `headers.response.set.Upgrade: ${NOT_OURS}`],
    [
      { request: { remove: ['Via'] } },
      'headers.request.remove[0]: cannot be changed: requests that go round in a circle are recognized by it',
    ],
    [{ request: { set: { 'X-A': '1', 'x-a': '2' } } }, 'headers.request.set.x-a: is the same field as "X-A"'],
    [
      { response: { set: { 'X-V': '{verison}' } } },
      'headers.response.set.X-V: has the unknown placeholder {verison}; did you mean "version"? ({client}, {host}, {requestId}, {service}, {pool}, {version}, {server})',
    ],
    [
      { response: { set: { 'X-V': 'a\nb' } } },
      'headers.response.set.X-V: expected text (numbers in quotes), no control characters, and not (hidden)',
    ],
    [{ reqest: {} }, 'headers.reqest: unknown key "reqest"; did you mean "request"?'],
  ])('%j', ([headers, problem]) => {
    expect(problemsOf({ headers })).toEqual([problem])
  })

  test('braces around anything else are text', () => {
    expect(problemsOf({ headers: { response: { set: { 'Report-To': '{"group":"a","max_age":{}}' } } } })).toEqual([])
  })
})
