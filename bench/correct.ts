import { ok, strictEqual } from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { Agent, type IncomingHttpHeaders, type RequestOptions, request } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { echoedHeader, large, marker, page } from './upstream-answers.ts'

interface Answer {
  readonly status: number | undefined
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

/** Throws unless the proxy on this port forwards requests and responses correctly, to the byte. */
export async function assertCorrect(port: number): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const ask = (options: RequestOptions, body?: Buffer) => exchange({ agent, port, ...options }, body)
  try {
    for (let i = 0; i < 3; i++) expectAnswer(await ask({ path: '/?a=1&a=2' }), 200, page)
    expectAnswer(await ask({ path: '/missing' }), 404, Buffer.from('nothing here'))
    expectAnswer(await ask({ path: '/large' }), 200, large)

    const head = await ask({ method: 'HEAD' })
    expectAnswer(head, 200, Buffer.alloc(0))
    strictEqual(head.headers['content-length'], `${page.length}`, 'HEAD tells the length')

    const upload = randomBytes(100_000)
    for (const framing of [{ 'content-length': upload.length }, { 'transfer-encoding': 'chunked' }]) {
      const headers = { ...framing, 'content-type': 'application/octet-stream', [echoedHeader]: 'as sent' }
      const echoed = await ask({ method: 'POST', path: '/echo', headers }, upload)
      expectAnswer(echoed, 200, upload)
      strictEqual(echoed.headers[echoedHeader], 'as sent', 'request headers reach the upstream')
    }
    strictEqual(Object.values(agent.freeSockets).flat().length, 1, 'the client connection is kept')
  } finally {
    agent.destroy()
  }
}

function expectAnswer(answer: Answer, status: number, body: Buffer): void {
  strictEqual(answer.status, status, 'status')
  strictEqual(answer.headers[marker.name], marker.value, 'the upstream was asked')
  strictEqual(answer.body.length, body.length, 'length of the body')
  ok(answer.body.equals(body), 'bytes of the body')
}

function exchange(options: RequestOptions, body?: Buffer): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ host: '127.0.0.1', timeout: 10_000, ...options }, (incoming) => {
      buffer(incoming).then(
        (bytes) => resolve({ status: incoming.statusCode, headers: incoming.headers, body: bytes }),
        reject,
      )
    })
    outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer to ${options.method ?? 'GET'} ${options.path}`)))
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}
