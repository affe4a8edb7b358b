import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runCutover } from './support.ts'

const FILES = join(import.meta.dirname, '../import/files')
let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cutover-import-'))
})
afterAll(() => rm(folder, { recursive: true }))

async function file(name: string, text: string): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, text)
  return path
}

test('0: everything is said, and the result is one that `cutover check` accepts', async () => {
  const { code, stdout, stderr } = await runCutover(['import', 'nginx', join(FILES, 'nginx-blue-green.conf')])
  expect(code).toBe(0)
  expect(stderr).toMatch(/:20: not needed: proxy_http_version 1\.1: .*\n/)
  expect(stderr).toMatch(/\n0 left out, 0 differ, 5 not needed\n$/)
  const result = await file('result.yaml', stdout)
  expect(await runCutover(['check', result])).toEqual({ code: 0, stdout: `${result} is fine: 1 service\n`, stderr: '' })
})

test('1: something is left out, with file, line and reason', async () => {
  const { code, stdout, stderr } = await runCutover(['import', 'nginx', join(FILES, 'nginx-canary.conf')])
  expect(code).toBe(1)
  expect(stdout).toContain('split: { app_canary: 5, app_stable: 95 }')
  expect(stderr).toMatch(/nginx-canary\.conf:33: left out: return 200 ok\\n: Cutover answers no requests itself.*\n/)
})

test('1: the result has to be mended, such as by a file that is not here', async () => {
  const config = `backend a
  mode http
  server s 10.0.0.1:443 ssl ca-file /nowhere/ca.pem
frontend f
  mode http
  bind :80
  default_backend a
`
  const { code, stderr } = await runCutover(['import', 'haproxy', '-'], { input: config })
  expect(code).toBe(1)
  expect(stderr).toContain('to be mended: services.a.pools.a.servers.s.tls.ca: ')
})

test.each([
  ['nginx', 'this is no configuration', /^error: standard input:1: "this" has no ";" at its end/],
  ['nginx', 'server {\n  listen 80;\n', /^error: standard input:1: the block that begins here has no end/],
  ['nginx', 'stream { }', /^error: standard input: has no http, server or upstream block/],
  ['haproxy', 'server { listen 80; }', /^error: standard input:1: "server" stands before any section/],
  ['haproxy', 'global\n  log "open\n', /^error: standard input:2: a quotation mark has no end/],
  ['traefik', 'a: [1', /^error: standard input:1: /],
  ['traefik', 'a: 1', /^error: standard input: has neither http nor entryPoints of Traefik/],
  ['traefik', '[http]\na = = 1\n', /^error: standard input:2: /],
  ['caddy', '}\n', /^error: standard input:1: unexpected "\}"/],
  ['caddy', 'a.example.com {\n', /^error: standard input:1: the block that begins here has no end/],
])('2: %s cannot read %j', async (source, input, said) => {
  const { code, stdout, stderr } = await runCutover(['import', source, '-'], { input })
  expect([code, stdout]).toEqual([2, ''])
  expect(stderr).toMatch(said)
})

test('2: a file that is not there, and a proxy that is not known', async () => {
  const missing = await runCutover(['import', 'caddy', join(folder, 'nowhere')])
  expect([missing.code, missing.stdout]).toEqual([2, ''])
  expect(missing.stderr).toContain('there is no such file')
  expect((await runCutover(['import', 'apache', '-'])).code).toBe(2)
})

test('files that an nginx.conf includes are read, with their own names and lines', async () => {
  await file('site.conf', 'server {\n  listen 80;\n  gzip on;\n  location / { proxy_pass http://10.0.0.1:9000; }\n}\n')
  const main = await file('nginx.conf', 'http {\n  include site*.conf;\n  include missing.conf;\n}\n')
  const { code, stdout, stderr } = await runCutover(['import', 'nginx', main])
  expect(code).toBe(1)
  expect(stdout).toContain('http://10.0.0.1:9000')
  expect(stderr).toContain(`${join(folder, 'site.conf')}:3: left out: gzip on: `)
  expect(stderr).toContain(`${main}:3: left out: include missing.conf: there is no such file here`)
})

test('a static file of Traefik brings its dynamic files along', async () => {
  const dynamic = await readFile(join(FILES, 'traefik-dynamic.yaml'), 'utf8')
  await file('dynamic.yaml', dynamic)
  const main = await file(
    'traefik.yaml',
    'entryPoints: { web: { address: ":8000" } }\nproviders: { file: { filename: /etc/traefik/dynamic.yaml } }\n',
  )
  const { stdout } = await runCutover(['import', 'traefik', main])
  expect(stdout).toContain('listen: ":8000"')
  expect(stdout).toContain('split: { shop-stable: 75, shop-canary: 25 }')
})

test('snippets and files of a Caddyfile are read', async () => {
  await file('common.caddy', '(app) {\n\treverse_proxy {args[0]}\n}\n')
  const main = await file('Caddyfile', 'import common.caddy\nhttp://a.example.com {\n\timport app 10.0.0.1:9000\n}\n')
  const { code, stdout, stderr } = await runCutover(['import', 'caddy', main])
  expect([code, stderr]).toEqual([0, ''])
  expect(stdout).toContain('http://10.0.0.1:9000')
})

test.each(['nginx', 'haproxy', 'traefik', 'caddy'])(
  'import %s --help shows two examples and the exit codes',
  async (source) => {
    const { code, stdout } = await runCutover(['import', source, '--help'])
    expect(code).toBe(0)
    expect(stdout.match(new RegExp(`^ {2}cutover import ${source} `, 'gm'))).toHaveLength(2)
    expect(stdout).toContain('1 something is left out')
  },
)
