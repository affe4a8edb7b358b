import { EventEmitter, once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import type net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { CheckedTarget, HealthCheckerOptions } from '../../src/health/checker.ts'
import { HealthChecker } from '../../src/health/checker.ts'
import type { HealthSpec } from '../../src/model/spec.ts'
import type { Handler, Listening, Upstream } from '../support/upstream.ts'
import { startRawUpstream, startUpstream } from '../support/upstream.ts'

/**
 * A spec that passes on 200-299 of /check, where upstreams record their requests, with a deadline no test should meet.
 */
export function healthSpec(overrides: Partial<HealthSpec> = {}): HealthSpec {
  return {
    path: '/check',
    intervalMs: 10,
    timeoutMs: 5000,
    rise: 1,
    fall: 3,
    expect: [[200, 299]],
    host: '',
    port: 0,
    headers: {},
    body: '',
    ...overrides,
  }
}

const ending: (() => unknown)[] = []

/** Ends everything that was started here. */
export async function endAll(): Promise<void> {
  await Promise.all(ending.splice(0).map((end) => end()))
}

/** Ends something with the rest. */
export function endWith(end: () => unknown): void {
  ending.push(end)
}

/** A file with this content. */
export async function temporaryFile(content: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'cutover-health-'))
  ending.push(() => rm(folder, { recursive: true }))
  const file = join(folder, 'file')
  await writeFile(file, content)
  return file
}

export async function upstream(handler?: Handler): Promise<Upstream> {
  const server = await startUpstream(handler)
  ending.push(() => server.close())
  return server
}

export async function raw(onSocket: (socket: net.Socket) => void): Promise<Listening> {
  const server = await startRawUpstream(onSocket)
  ending.push(() => server.close())
  return server
}

/** Answers with these statuses in turn, then always with the last one. */
export function statuses(...list: number[]): Promise<Upstream> {
  return upstream((_request, response) => {
    response.writeHead((list.length > 1 ? list.shift() : list[0]) ?? 200).end()
  })
}

/** Leaves every request unanswered, for the test to answer. */
export async function silent(): Promise<{ server: Upstream; held: ServerResponse[] }> {
  const held: ServerResponse[] = []
  return { server: await upstream((_request, response) => held.push(response)), held }
}

/** A checker that takes the whole list of targets instead of changes. */
class WholeChecker extends HealthChecker {
  #keys = new Set<string>()

  watch(targets: readonly CheckedTarget[]): void {
    const before = this.#keys
    this.#keys = new Set(targets.map(({ key }) => key))
    this.change(
      targets,
      [...before].filter((key) => !this.#keys.has(key)),
    )
  }
}

export function checker(options: Partial<HealthCheckerOptions> = {}) {
  const events = new EventEmitter()
  const changes: string[] = []
  let counted = 0
  const checks = new WholeChecker({
    ...options,
    // The checker calls `now` once for every probe that counts.
    now() {
      counted++
      events.emit('event')
      return 0
    },
    onChange(key, health, last) {
      changes.push(`${key} ${health}`)
      options.onChange?.(key, health, last)
      events.emit('event')
    },
  })
  ending.push(() => checks.stop())
  return {
    checks,
    changes,
    async changed(count: number): Promise<void> {
      while (changes.length < count) await once(events, 'event')
    },
    async counted(count: number): Promise<void> {
      while (counted < count) await once(events, 'event')
    },
  }
}

export function target(key: string, server: Upstream, overrides: Partial<HealthSpec> = {}) {
  return { key, url: server.url, spec: healthSpec(overrides) }
}
