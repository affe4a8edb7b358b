import { createHash, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { request } from 'node:http'
import { connect } from 'node:tls'

const LIMIT_MS = 5_000
/** The extension acmeIdentifier (RFC 8737 §6.1), critical, up to the digest in it. */
const ACME_IDENTIFIER = Buffer.from([
  ...[0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x01, 0x1f],
  ...[0x01, 0x01, 0xff, 0x04, 0x22, 0x04, 0x20],
])

export interface Challenged {
  readonly domain: string
  readonly token: string
  readonly keyAuthorization: string
  /** Where the domain is, on this machine. */
  readonly port: number
}

/** Looks at a challenge as an ACME server does; returns what is wrong, null = nothing. */
export async function validate(type: string, challenged: Challenged): Promise<string | null> {
  try {
    return await (type === 'http-01' ? byHttp(challenged) : byTls(challenged))
  } catch (error) {
    return `connection: ${(error as Error).message}`
  }
}

/** RFC 8555 §8.3. */
async function byHttp({ domain, token, keyAuthorization, port }: Challenged): Promise<string | null> {
  const asked = request({
    host: '127.0.0.1',
    port,
    path: `/.well-known/acme-challenge/${token}`,
    headers: { host: domain },
    agent: false,
    timeout: LIMIT_MS,
  })
  asked.end()
  const [answer] = await once(asked, 'response')
  let text = ''
  for await (const chunk of answer) text += chunk
  if (answer.statusCode !== 200) return `unauthorized: status ${answer.statusCode} from port ${port}`
  return text.trimEnd() === keyAuthorization ? null : 'unauthorized: another key authorization'
}

/** RFC 8737 §3. */
async function byTls({ domain, keyAuthorization, port }: Challenged): Promise<string | null> {
  const socket = connect({
    host: '127.0.0.1',
    port,
    servername: domain,
    ALPNProtocols: ['acme-tls/1'],
    rejectUnauthorized: false,
    timeout: LIMIT_MS,
  })
  await once(socket, 'secureConnect')
  const { raw } = socket.getPeerX509Certificate() as X509Certificate
  const certificate = new X509Certificate(raw)
  const closed = once(socket, 'close')
  socket.resume()
  await closed
  if (socket.alpnProtocol !== 'acme-tls/1') return `tls: negotiated ${socket.alpnProtocol}`
  if (certificate.subjectAltName !== `DNS:${domain}`) return `tls: names ${certificate.subjectAltName}`
  const at = raw.indexOf(ACME_IDENTIFIER)
  if (at < 0) return 'tls: no acmeIdentifier'
  const begin = at + ACME_IDENTIFIER.length
  const digest = createHash('sha256').update(keyAuthorization).digest()
  return raw.subarray(begin, begin + digest.length).equals(digest) ? null : 'tls: another key authorization'
}
