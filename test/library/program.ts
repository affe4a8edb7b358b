import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'

export const ROOT = fileURLToPath(new URL('../..', import.meta.url))

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** A folder for programs that import this checkout as `cutover`. */
export class Project {
  readonly folder: string

  private constructor(folder: string) {
    this.folder = folder
  }

  static async create(): Promise<Project> {
    const folder = await mkdtemp(join(tmpdir(), 'cutover-library-'))
    await writeFile(join(folder, 'package.json'), '{"type": "module"}')
    await mkdir(join(folder, 'node_modules'))
    await symlink(ROOT, join(folder, 'node_modules/cutover'))
    return new Project(folder)
  }

  /** Runs a program until it ends by itself. */
  async run(program: string, env: Readonly<Record<string, string>> = {}): Promise<Ended> {
    const file = join(this.folder, 'program.ts')
    await writeFile(file, program)
    return endOf([file], this.folder, env)
  }

  remove(): Promise<void> {
    return rm(this.folder, { recursive: true })
  }
}

/** Runs Node until it ends by itself. */
export async function endOf(
  args: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  const child = spawn(process.execPath, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')])
  return { code, stdout, stderr }
}
