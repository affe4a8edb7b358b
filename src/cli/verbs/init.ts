import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { dirname, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Command } from 'commander'
import { EXIT } from '../exit-codes.ts'
import { withExamples } from '../options.ts'
import { act } from '../session.ts'
import { CannotDo } from '../unusable.ts'
import { initTemplate } from './init-template.ts'

const DEFAULT_FILE = 'cutover.yaml'

export function addInit(program: Command): void {
  const command = program
    .command('init')
    .description('write a configuration with comments, to start from')
    .argument('[file]', `file to write (default: ${DEFAULT_FILE})`)
    .option('--force', 'overwrite a file that is there')
  withExamples(command, [
    ['cutover init', `writes ${DEFAULT_FILE} into this folder`],
    ['cutover init /etc/cutover/cutover.yaml --force', 'even if there is one'],
  ])
  command.action(
    act<{ force?: true }>(async ({ terminal }, [file = DEFAULT_FILE], { force }) => {
      await write(file, initTemplate(schemaFor(file)), force === true)
      terminal.print(
        `${file} is written.`,
        'Say in it where your servers are; then:',
        `  cutover check ${file}`,
        `  cutover run --config ${file}`,
      )
      return EXIT.done
    }),
  )
}

/** Throws CannotDo. */
async function write(file: string, text: string, isForced: boolean): Promise<void> {
  try {
    // With wx, nothing can come between a look at the file and writing it.
    await writeFile(file, text, { flag: isForced ? 'w' : 'wx' })
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'EEXIST')
      throw new CannotDo(`${file} is there already. Overwrite it with --force, or name another file.`)
    if (code === 'ENOENT') throw new CannotDo(`cannot write ${file}: the folder ${dirname(file)} does not exist`)
    throw new CannotDo(`cannot write ${file}: ${message}`)
  }
}

/** The schema of this package, as seen from the folder of the file. */
function schemaFor(file: string): string {
  const places = ['..', '../..', '../../..'].map((up) => new URL(`${up}/config/cutover.schema.json`, import.meta.url))
  const schema = places.map((place) => fileURLToPath(place)).find((place) => existsSync(place))
  if (schema === undefined) return './cutover.schema.json'
  const path = relative(dirname(resolve(file)), schema)
  return path.startsWith('.') ? path : `./${path}`
}
