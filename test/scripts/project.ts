import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { patience } from '../support/patience.ts'

const scripts = fileURLToPath(new URL('../../scripts', import.meta.url))

/** The end of a script: its exit code and all that it printed. */
export interface Outcome {
  readonly code: number | null
  readonly output: string
}

export interface Running {
  readonly process: ChildProcess
  /** All that it printed so far, stdout and stderr. */
  readonly output: () => string
  readonly ended: Promise<Outcome>
}

/** A fresh clone with the real scripts, and an `npm` that "installs" the Node of this run and notes that it was called. */
export class Project {
  readonly folder = mkdtempSync(join(tmpdir(), 'cutover-scripts-'))

  constructor() {
    cpSync(scripts, this.path('scripts'), { recursive: true })
    this.lock('one')
    this.npm(`
      rm -rf node_modules && sleep 0.2 && mkdir -p node_modules/.bin
      ln -s ${process.execPath} node_modules/.bin/node`)
  }

  path(name: string): string {
    return join(this.folder, name)
  }

  write(name: string, text: string): void {
    mkdirSync(dirname(this.path(name)), { recursive: true })
    writeFileSync(this.path(name), text)
  }

  /** Replaces package-lock.json by one that names the Node of this run. */
  lock(name: string, node: string = process.version.slice(1)): void {
    this.write(
      'package-lock.json',
      JSON.stringify({ name, packages: { '': {}, 'node_modules/node': { version: node } } }),
    )
  }

  /** Replaces what `npm` does; each call's arguments are noted in `npm.log`. */
  npm(script: string): void {
    this.write('bin/npm', `#!/bin/sh\necho "$@" >> npm.log\n${script}\n`)
    chmodSync(this.path('bin/npm'), 0o755)
  }

  npmCalls(): string[] {
    return existsSync(this.path('npm.log')) ? readFileSync(this.path('npm.log'), 'utf8').trim().split('\n') : []
  }

  start(args: readonly string[], options: SpawnOptions = {}): Running {
    const env = { ...process.env, PATH: `${this.path('bin')}:/usr/bin:/bin` }
    const child = spawn(process.execPath, args, {
      cwd: this.folder,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
      ...options,
    })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => (output += chunk))
    const ended = new Promise<Outcome>((resolve) => child.once('close', (code) => resolve({ code, output })))
    return { process: child, output: () => output, ended }
  }

  run(...args: string[]): Promise<Outcome> {
    return this.start(args).ended
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** Waits until the condition holds, at most ten seconds. */
export async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + patience(10_000)
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`never came true: ${condition}`)
    await sleep(20)
  }
}
