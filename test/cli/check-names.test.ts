import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { DnsServer } from '../support/dns-server.ts'
import { runCutover } from './support.ts'

test('names that are not found are warnings of cutover check, and no errors', async () => {
  const dns = await DnsServer.start()
  const folder = await mkdtemp(join(tmpdir(), 'cutover-check-'))
  try {
    dns.records.set('there.test', ['127.0.0.1'])
    dns.failures.set('fails.test', 'servfail')
    const servers = {
      a: 'http://there.test:80',
      b: 'http://missing.test:80',
      c: 'http://fails.test:80',
      d: 'srv://_http._tcp.missing.test',
      e: 'http://127.0.0.1:80',
      f: 'unix:/run/app.sock',
    }
    const services = { shop: { dns: { all: true }, pools: { main: { servers } } } }
    const file = join(folder, 'cutover.json')
    await writeFile(file, JSON.stringify({ dns: { servers: [dns.address], timeout: '500ms' }, services }))
    const at = 'services.shop.pools.main.servers'
    const warnings = [
      { path: `${at}.b`, message: 'missing.test is not found: the name does not exist' },
      { path: `${at}.c`, message: 'fails.test is not found: the DNS server fails' },
      { path: `${at}.d`, message: '_http._tcp.missing.test is not found: the name does not exist' },
    ]
    const said = warnings.map(({ path, message }) => `warning: ${path}: ${message}\n`).join('')
    expect(await runCutover(['check', file])).toEqual({ code: 0, stdout: `${file} is fine: 1 service\n`, stderr: said })
    const { code, stdout } = await runCutover(['check', file, '--json'])
    expect([code, JSON.parse(stdout)]).toEqual([0, { file, ok: true, services: ['shop'], warnings }])
  } finally {
    dns.close()
    await rm(folder, { recursive: true })
  }
})
