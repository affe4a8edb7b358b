import { afterEach, describe, expect, test } from 'vitest'
import { probe } from '../../src/health/probe.ts'
import { Endpoint } from '../../src/net/endpoint.ts'
import { endAll, healthSpec, upstream } from './support.ts'

afterEach(endAll)

async function errorOf(body: string, spec: object, headers: Record<string, string> = {}): Promise<string | null> {
  const server = await upstream((_request, response) => response.writeHead(200, headers).end(body))
  return (await probe(new Endpoint({ url: server.url }), healthSpec(spec))).error
}

describe('header fields', () => {
  test.each([
    [{ 'x-ready': { exact: 'yes' } }, null],
    [{ 'x-ready': { exact: 'no' } }, 'header x-ready is "yes", expected "no"'],
    [{ 'x-ready': { prefix: 'y', suffix: 's' } }, null],
    [{ 'x-ready': { contains: 'z' } }, 'header x-ready is "yes", expected a value that contains "z"'],
    [{ 'x-none': { exact: '1' } }, 'header x-none is missing, expected "1"'],
    [{ 'x-none': { present: false } }, null],
    [{ 'x-ready': { present: false } }, 'header x-ready is "yes", expected none'],
    [{ 'x-none': { present: true } }, 'header x-none is missing, expected a value'],
    [{ 'x-token': { exact: 'other' } }, 'header x-token is not as expected'],
  ])('%j: %s', async (expectHeaders, error) => {
    expect(await errorOf('', { expectHeaders }, { 'x-ready': 'yes', 'x-token': 'secret' })).toBe(error)
  })
})

describe('values in JSON', () => {
  const body = JSON.stringify({ status: 'ok', n: 3, on: true, checks: [{ 'a/b': 'x~y' }], nothing: null })
  test.each([
    [{ '/status': 'ok' }, null],
    [{ '/status': 'up' }, 'JSON /status is "ok", expected "up"'],
    [{ '/n': 3, '/on': true }, null],
    [{ '/n': '3' }, 'JSON /n is 3, expected "3"'],
    [{ '/on': false }, 'JSON /on is true, expected false'],
    [{ '/checks/0/a~1b': 'x~y' }, null],
    [{ '/checks/1/state': 'ok' }, 'JSON /checks/1/state is missing, expected "ok"'],
    [{ '/status': { prefix: 'o' } }, null],
    [{ '/status': { prefix: 'x' } }, 'JSON /status is "ok", expected a value that begins with "x"'],
    [{ '/n': { present: true } }, null],
    [{ '/n': { prefix: '3' } }, 'JSON /n is 3, expected a value that begins with "3"'],
    [{ '/gone': { present: false } }, null],
    [{ '/nothing': { present: false } }, 'JSON /nothing is null, expected none'],
    [{ '/toString': 'x' }, 'JSON /toString is missing, expected "x"'],
  ])('%j: %s', async (expectJson, error) => {
    expect(await errorOf(body, { expectJson })).toBe(error)
  })

  test('a body that is no JSON, and one that is too long', async () => {
    const spec = { expectJson: { '/status': 'ok' } }
    expect(await errorOf('<html>', spec)).toBe('the body is not JSON: "<html>"')
    const long = `{"status":"ok","x":"${'x'.repeat(70_000)}"}`
    expect(await errorOf(long, spec)).toBe('the body has more than 64 KiB, too much to look for JSON values')
  })
})
