import { mkdtempSync, rmSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { Cutover } from '../support/cutover.ts'
import { RawConnection } from '../support/raw-client.ts'
import { freePort } from '../support/upstream.ts'

const folder = mkdtempSync(join(tmpdir(), 'cutover-listeners-'))
afterAll(() => rmSync(folder, { recursive: true }))

test.each([0, 2])('open connections are told by listener, each by its address (%i workers)', async (workers) => {
  const [first, second, preview] = [await freePort(), await freePort(), await freePort()]
  const path = join(folder, `proxy-${workers}.sock`)
  const listen = [`127.0.0.1:${first}`, { address: `127.0.0.1:${second}` }, `unix:${path}`]
  const cutover = await Cutover.start({
    services: {},
    proxy: { listen, workers },
    admin: { preview: `127.0.0.1:${preview}` },
  })
  const clients = [
    net.connect(second, '127.0.0.1'),
    net.connect(path),
    net.connect(path),
    net.connect(preview, '127.0.0.1'),
  ]
  try {
    // An answer shows that the connection has been taken.
    for (const client of clients) {
      const answer = await new RawConnection(client).ask(['GET / HTTP/1.1', 'host: localhost'])
      expect(answer.status).toBe(404)
    }
    const { body } = await cutover.api('GET', '/metrics')
    const open = Object.fromEntries(
      [...(body as string).matchAll(/^cutover_connections\{listener="([^"]*)"\} (\d+)$/gm)].map(
        ([, listener = '', count]) => [listener, Number(count)] as const,
      ),
    )
    const { admin, ...others } = open
    expect(admin).toBeGreaterThanOrEqual(1)
    expect(others).toEqual({
      [`127.0.0.1:${first}`]: 0,
      [`127.0.0.1:${second}`]: 1,
      [`unix:${path}`]: 2,
      preview: 1,
    })
  } finally {
    for (const client of clients) client.destroy()
    await cutover.stop('SIGKILL')
  }
})
