import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

interface Step {
  readonly command: string
  /** What the comment below the command promises; empty = only that it works. */
  readonly promised: string
}

/** The commands of the README's `sh` blocks, in order. */
function stepsOf(markdown: string): Step[] {
  const blocks = [...markdown.matchAll(/^```sh\n(.*?)^```/gms)].map(([, block = '']) => block)
  return blocks
    .flatMap((block) => block.trimEnd().split('\n'))
    .reduce<Step[]>((steps, line) => {
      const last = steps.at(-1)
      if (line.startsWith('# ') && last !== undefined) steps[steps.length - 1] = { ...last, promised: line.slice(2) }
      else steps.push({ command: line, promised: '' })
      return steps
    }, [])
}

const steps = stepsOf(await readFile(join(ROOT, 'README.md'), 'utf8'))

describe('the ten minutes of the README, on what `npm start` starts', () => {
  let data = ''
  let example: ReturnType<typeof spawn>

  beforeAll(async () => {
    data = await mkdtemp(join(tmpdir(), 'cutover-readme-'))
    example = spawn(process.execPath, [join(ROOT, 'scripts/start.mjs')], {
      env: { ...process.env, CUTOVER_DATA: data },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let printed = ''
    await new Promise<void>((resolve, reject) => {
      example.once('exit', (code) => reject(new Error(`npm start ended with code ${code}: ${printed}`)))
      example.stdout?.on('data', (chunk: Buffer) => {
        printed += chunk.toString()
        if (printed.includes('Try:')) resolve()
      })
    })
  })

  afterAll(async () => {
    example.kill('SIGTERM')
    await once(example, 'exit')
    await rm(data, { recursive: true })
  })

  it('has steps to try', () => expect(steps.length).toBeGreaterThan(15))

  it.each(steps)('$command', async ({ command, promised }) => {
    const { stdout } = await promisify(execFile)('bash', ['-c', command])
    expect(stdout).toContain(promised)
  })
})
