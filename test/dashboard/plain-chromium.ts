import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/**
 * Chromium without Playwright, which has the browser keep a record of every request of a page: that grows, and looks like memory
 * of the page.
 */
export class PlainChromium {
  private readonly process: ChildProcess
  private readonly folder: string
  private readonly address: string

  private constructor(process: ChildProcess, folder: string, address: string) {
    this.process = process
    this.folder = folder
    this.address = address
  }

  static async start(): Promise<PlainChromium> {
    const folder = await mkdtemp(join(tmpdir(), 'cutover-chromium-'))
    const flags = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run']
    const quiet = ['--disable-background-networking', '--disable-component-update', '--disable-sync']
    const child = spawn(
      process.env.CHROMIUM || '/usr/bin/chromium',
      [...flags, ...quiet, '--remote-debugging-port=0', `--user-data-dir=${folder}`, 'about:blank'],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    )
    let said = ''
    for await (const piece of child.stderr) {
      said += piece
      const port = /DevTools listening on ws:\/\/127\.0\.0\.1:(\d+)/.exec(said)?.[1]
      if (port === undefined) continue
      child.stderr.destroy()
      return new PlainChromium(child, folder, `http://127.0.0.1:${port}`)
    }
    throw new Error(`Chromium has not started: ${said}`)
  }

  /** Opens a page in a tab of its own, as if each could be seen. */
  async open(url: string): Promise<PlainPage> {
    const answer = await fetch(`${this.address}/json/new?${encodeURIComponent(url)}`, { method: 'PUT' })
    const { webSocketDebuggerUrl } = (await answer.json()) as { webSocketDebuggerUrl: string }
    const socket = new WebSocket(webSocketDebuggerUrl)
    await once(socket, 'open')
    const page = new PlainPage(socket)
    await page.send('Emulation.setFocusEmulationEnabled', { enabled: true })
    return page
  }

  async stop(): Promise<void> {
    const exited = once(this.process, 'exit')
    this.process.kill('SIGKILL')
    await exited
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5 })
  }
}

/** A page of it. */
export class PlainPage {
  private readonly socket: WebSocket
  private readonly pending = new Map<number, (result: Record<string, unknown>) => void>()
  private sent = 0

  constructor(socket: WebSocket) {
    this.socket = socket
    socket.addEventListener('message', ({ data }) => {
      const { id, result } = JSON.parse(String(data))
      this.pending.get(id)?.(result)
      this.pending.delete(id)
    })
  }

  /** Calls a method of the DevTools protocol; its result. */
  send(method: string, params: object = {}): Promise<Record<string, unknown>> {
    const id = ++this.sent
    this.socket.send(JSON.stringify({ id, method, params }))
    return new Promise((resolve) => this.pending.set(id, resolve))
  }
}
