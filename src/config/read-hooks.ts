import { isProblem, readProgram } from '../hooks/read-program.ts'
import { runProgram } from '../hooks/run-program.ts'
import type { HookSettings, HooksProblem, HooksProgram } from '../model/hooks.ts'
import type { Problems } from './problems.ts'
import type { FileSettings } from './schema/file.ts'

/** Reads the hooks file, and runs it to see whether its hooks can be used, unless there are other problems already. */
export function readHooks(
  { hooks: file, hookTimeout, hookErrors }: FileSettings['proxy'],
  problems: Problems,
): HookSettings {
  const settings = { file, timeoutMs: hookTimeout, onError: hookErrors } as const
  if (file === '') return { ...settings, program: null }
  const program = usable(file, problems.list.length === 0)
  if (!isProblem(program)) return { ...settings, program }
  problems.add('proxy.hooks', `${program.place}: ${program.message}`)
  return { ...settings, program: null }
}

function usable(file: string, mayRun: boolean): HooksProgram | HooksProblem {
  const program = readProgram(file)
  if (isProblem(program) || !mayRun) return program
  const hooks = runProgram(program)
  return isProblem(hooks) ? hooks : program
}
