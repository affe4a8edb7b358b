import { ApiProblem } from './problems.ts'

/** Max nesting, the same as for a configuration file: bodies are read recursively. */
const MAX_DEPTH = 64

/** Reads a JSON body. Throws 400 if it is not JSON, or nested more than 64 levels deep. */
export function parseJsonBody(text: string): unknown {
  const value = parse(text)
  if (isDeeperThan(MAX_DEPTH, value)) {
    throw new ApiProblem(400, 'Malformed JSON', `The body is nested more than ${MAX_DEPTH} levels deep.`)
  }
  return value
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new ApiProblem(400, 'Malformed JSON', `The body is not JSON: ${(error as Error).message}.`)
  }
}

/** Checks level by level, since a deep value would exhaust the stack of a recursion. */
function isDeeperThan(maxDepth: number, value: unknown): boolean {
  let level = [value]
  for (let depth = 0; depth <= maxDepth && level.length > 0; depth++) {
    level = level.flatMap((each) => (typeof each === 'object' && each !== null ? Object.values(each) : []))
  }
  return level.length > 0
}
