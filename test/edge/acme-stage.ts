import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { AcmeServer, type AcmeServerOptions } from '../support/acme/acme-server.ts'
import { CertificateFolder } from '../support/certificate-folder.ts'
import { Cutover, type CutoverOptions } from '../support/cutover.ts'
import { RedisServer } from '../support/redis.ts'
import { until } from '../support/until.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'
import { refusalOf, secureTo } from './support.ts'

export interface StageOptions extends Partial<AcmeServerOptions> {
  /** Several instances share a Redis. */
  readonly isFleet?: boolean
}

/** An ACME server, and instances that order from it. */
export class AcmeStage {
  readonly acme: AcmeServer
  readonly folder: CertificateFolder
  readonly upstream: Upstream
  readonly redis: RedisServer | null
  /** The instance at which the ACME server finds all domains. */
  found: AcmeInstance | null = null
  private readonly instances: Cutover[] = []

  private constructor(
    options: StageOptions,
    acme: AcmeServer,
    folder: CertificateFolder,
    upstream: Upstream,
    redis: RedisServer | null,
  ) {
    this.acme = acme
    this.folder = folder
    this.upstream = upstream
    this.redis = redis
    const { whereIs } = options
    acme.whereIs = whereIs ?? ((_, type) => (type === 'http-01' ? (this.found?.plain ?? 0) : (this.found?.secure ?? 0)))
  }

  static async start(options: StageOptions = {}): Promise<AcmeStage> {
    const [acme, folder, upstream, redis] = await Promise.all([
      AcmeServer.start(options),
      CertificateFolder.create(),
      startUpstream(),
      options.isFleet === true ? RedisServer.start({ persist: true }) : null,
    ])
    await writeFile(join(folder.path, 'ca.pem'), acme.authority.cert)
    return new AcmeStage(options, acme, folder, upstream, redis)
  }

  /** The section `acme`, beside the domains. */
  section(domains: readonly string[], rest: object = {}): object {
    const { directory } = this.acme
    return { email: 'ops@example.com', directory, ca: join(this.folder.path, 'ca.pem'), domains, ...rest }
  }

  /** Options of an instance with a listener with TLS and a plain one that redirects. */
  options(tls: object, rest: Partial<CutoverOptions> = {}): CutoverOptions {
    const { store, proxy, ...others } = rest
    return {
      services: { shop: { health: 'off', pools: { blue: { servers: { b1: this.upstream.url } } } } },
      ...(this.redis === null ? {} : { store: { redis: this.redis.url, secret: SECRET, ...store } }),
      ...(this.redis === null && store !== undefined ? { store } : {}),
      ...others,
      proxy: {
        listen: [
          { address: '127.0.0.1:0', tls },
          { address: '127.0.0.1:0', redirectToHttps: true },
        ],
        ...proxy,
      },
    }
  }

  /** Starts an instance; the first one is where domains are found. */
  async add(options: CutoverOptions): Promise<AcmeInstance> {
    const cutover = await Cutover.start(options)
    this.instances.push(cutover)
    const instance = new AcmeInstance(cutover)
    this.found ??= instance
    return instance
  }

  async stop(): Promise<void> {
    await Promise.all(this.instances.map((each) => (each.process.exitCode === null ? each.stop() : null)))
    await this.upstream.close()
    await this.acme.stop()
    await this.redis?.stop()
    await this.folder.remove()
  }

  /** The name in the certificate that a client gets for a name, which the ACME server has signed; or why it gets none. */
  async served(port: number, servername: string): Promise<string> {
    try {
      const socket = await secureTo(port, { servername, ca: this.acme.authority.cert })
      const { subjectaltname = '' } = socket.getPeerCertificate()
      socket.destroy()
      return subjectaltname
    } catch (error) {
      return (error as NodeJS.ErrnoException).code ?? String(error)
    }
  }

  /** Resolves when clients get the certificate for a name. */
  async issued(instance: AcmeInstance, domain: string, withinMs?: number): Promise<void> {
    await until(async () => (await this.served(instance.secure, domain)) === `DNS:${domain}`, withinMs)
  }

  /** Names of the documents of a collection in Redis. */
  async documents(collection: string): Promise<readonly string[]> {
    const found = (await this.redis?.cli('--raw', 'EVAL', FIELDS, '0', `${collection}/`)) ?? ''
    return found.split('\n').filter((line) => line !== '')
  }

  /** Everything that is in Redis, as text. */
  async dump(): Promise<string> {
    return this.redis === null ? '' : this.redis.cli('--raw', 'EVAL', DUMP, '0')
  }
}

const SECRET = 'a secret of the whole fleet'

const DUMP = `local out = {}
local function add(value)
  if type(value) == 'table' then for _, each in ipairs(value) do add(each) end else out[#out + 1] = tostring(value) end
end
for _, key in ipairs(redis.call('KEYS', '*')) do
  add(key)
  local kind = redis.call('TYPE', key).ok
  if kind == 'hash' then add(redis.call('HGETALL', key))
  elseif kind == 'stream' then add(redis.call('XRANGE', key, '-', '+'))
  elseif kind == 'list' then add(redis.call('LRANGE', key, 0, -1))
  elseif kind == 'zset' then add(redis.call('ZRANGE', key, 0, -1))
  elseif kind == 'set' then add(redis.call('SMEMBERS', key))
  else add(redis.call('GET', key)) end
end
return table.concat(out, '\\n')`

/** Fields of all hashes that begin with ARGV[1]. */
const FIELDS = `local out = {}
for _, key in ipairs(redis.call('KEYS', '*')) do
  if redis.call('TYPE', key).ok == 'hash' then
    for _, field in ipairs(redis.call('HKEYS', key)) do
      if string.sub(field, 1, #ARGV[1]) == ARGV[1] then out[#out + 1] = field end
    end
  end
end
return out`

/** A name of acme.domains, as GET /api/certificates shows it. */
export interface Ordered {
  readonly domain: string
  readonly notAfter: string | null
  readonly nextRenewal: string | null
  readonly nextTry: string | null
  readonly failures: number
  readonly error: string | null
}

export class AcmeInstance {
  readonly cutover: Cutover
  readonly secure: number
  readonly plain: number
  /** Ports of further listeners. */
  readonly others: readonly number[]

  constructor(cutover: Cutover) {
    this.cutover = cutover
    const [, listed = ''] = /^cutover ready: proxy (.+), admin/m.exec(cutover.stdout) ?? []
    const [secure, plain, ...others] = listed.split(' ').map((url) => Number(new URL(url).port))
    this.secure = secure ?? 0
    this.plain = plain ?? 0
    this.others = others
  }

  async ordered(domain: string): Promise<Ordered> {
    const { body } = await this.cutover.api('GET', '/api/certificates')
    return body.acme.find((each: Ordered) => each.domain === domain)
  }

  /** Resolves with the standing of a name when `isSo`. */
  async until(domain: string, isSo: (ordered: Ordered) => boolean, withinMs?: number): Promise<Ordered> {
    return until(async () => {
      const ordered = await this.ordered(domain)
      return isSo(ordered) ? ordered : null
    }, withinMs)
  }

  refusal(servername: string): Promise<string> {
    return refusalOf(this.secure, { servername })
  }
}
