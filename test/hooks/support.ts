import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import { type Answer, Cutover, type CutoverOptions } from '../support/cutover.ts'
import { RawConnection } from '../support/raw-client.ts'
import { type Handler, startUpstream, type Upstream } from '../support/upstream.ts'

export interface Setting {
  /** Text of the first hooks file. */
  readonly hooks?: string
  readonly service?: object
  readonly proxy?: object
  readonly handler?: Handler
  readonly env?: CutoverOptions['env']
}

/** A Cutover with a service `shop` of two pools, of which `blue` has the whole split, and a hooks file to rewrite. */
export class HookedShop {
  readonly cutover: Cutover
  readonly blue: Upstream
  readonly green: Upstream
  readonly folder: string
  readonly options: CutoverOptions
  private readonly ending: (() => unknown)[]

  private constructor(
    cutover: Cutover,
    [blue, green]: readonly [Upstream, Upstream],
    folder: string,
    options: CutoverOptions,
    ending: (() => unknown)[],
  ) {
    this.cutover = cutover
    this.blue = blue
    this.green = green
    this.folder = folder
    this.options = options
    this.ending = ending
  }

  static async start({ hooks = 'export default {}', service, proxy, handler, env }: Setting = {}): Promise<HookedShop> {
    const folder = await mkdtemp(join(tmpdir(), 'cutover-hooks-'))
    const file = join(folder, 'hooks.ts')
    await writeFile(file, hooks)
    const blue = await startUpstream(handler, { name: 'blue1' })
    const green = await startUpstream(handler, { name: 'green1' })
    const pools = {
      blue: { version: '1', servers: { blue1: blue.url } },
      green: { version: '2', servers: { green1: green.url } },
    }
    // Without a match, so that hooks may choose green.
    const routes = [{ name: 'never', match: { header: { 'x-never': '1' } }, to: 'green' }]
    const shop = { pools, split: { blue: 100 }, routes, health: 'off', ...service }
    const options = { services: { shop }, proxy: { hooks: file, ...proxy }, ...(env && { env }) }
    const cutover = await Cutover.start(options)
    const ending = [() => blue.close(), () => green.close(), () => rm(folder, { recursive: true })]
    return new HookedShop(cutover, [blue, green], folder, options, ending)
  }

  async stop(): Promise<void> {
    await this.cutover.stop('SIGKILL')
    for (const end of this.ending) await end()
  }

  /** Writes a file beside the hooks file. */
  write(name: string, text: string): Promise<void> {
    return writeFile(join(this.folder, name), text)
  }

  /** Puts hooks in force: the text of the file, or what the default export has. */
  async use(hooks: string): Promise<void> {
    const { status, body } = await this.reload(hooks)
    expect([status, body.detail]).toEqual([200, undefined])
  }

  /** Rewrites the hooks file and reloads. */
  async reload(hooks: string): Promise<Answer> {
    await this.write('hooks.ts', hooks.includes('export default') ? hooks : `export default { ${hooks} }`)
    return this.cutover.api('POST', '/api/config/reload')
  }

  ask(path = '/', init: RequestInit = {}): Promise<Response> {
    return fetch(`${this.cutover.proxy}${path}`, init)
  }

  /** The name of the server that has answered, or the status if it was not 200. */
  async whoAnswers(path = '/', init: RequestInit = {}): Promise<string> {
    const response = await this.ask(path, init)
    const text = await response.text()
    return response.status === 200 ? text : String(response.status)
  }

  async connect(): Promise<RawConnection> {
    const connection = await RawConnection.connect(this.cutover.proxy)
    this.ending.push(() => connection.destroy())
    return connection
  }

  /** The sum of a metric's samples whose labels contain `labels`. */
  async metric(name: string, labels = ''): Promise<number> {
    const { body } = await this.cutover.api('GET', '/metrics')
    return (body as string)
      .split('\n')
      .filter((line) => line.startsWith(`${name}{`) && line.includes(labels))
      .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0)
  }

  /** Lines of the log about hooks that have failed. */
  failures(): Record<string, unknown>[] {
    return this.cutover.stderr
      .split('\n')
      .filter((line) => line.includes('a hook has failed'))
      .map((line) => JSON.parse(line))
  }
}
