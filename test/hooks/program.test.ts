import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { isProblem, readProgram } from '../../src/hooks/read-program.ts'
import { placeOf, runProgram } from '../../src/hooks/run-program.ts'
import type { HookAnswer } from '../../src/hooks/types.ts'

/** Writes files; reads and runs `hooks.ts`, whose `request` hook returns what is tested. */
async function load(files: Readonly<Record<string, string>>) {
  const folder = await mkdtemp(join(tmpdir(), 'cutover-program-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true })
    await writeFile(join(folder, name), text)
  }
  const program = readProgram(join(folder, 'hooks.ts'))
  if (isProblem(program)) return { folder, program: null, problem: program }
  const hooks = runProgram(program)
  return isProblem(hooks) ? { folder, program, problem: hooks } : { folder, program, hooks }
}

async function result(files: Readonly<Record<string, string>>): Promise<unknown> {
  const { hooks, problem } = await load(files)
  if (problem !== undefined) throw new Error(`${problem.place}: ${problem.message}`)
  return (hooks.request?.(undefined as never) as HookAnswer | undefined)?.body
}

const returning = (expression: string) => `export default { request() { return { status: 200, body: ${expression} } } }`

test.for([
  [
    'const, let and destructuring',
    'export const a = 1, { b, c: [d = 4], ...e } = { b: 2, c: [], f: 5 }; export let g = 6',
    { a: 1, b: 2, d: 4, e: { f: 5 }, g: 6 },
  ],
  [
    'functions and classes',
    'export function a() {}; export async function b() {}; export class C {}',
    { a: 'a', b: 'b', C: 'C' },
  ],
  ['lists', 'const a = 1; let b = 2; export { a, b as "b c" }', { a: 1, 'b c': 2 }],
  ['a named default function', 'export default function f() { return f.name }', { default: 'f' }],
  ['an anonymous default class', 'export default class {}\n;[1]', { default: 'class' }],
  ['an anonymous default function', 'export default function () { return 1 }\n(1)', { default: 'function' }],
  ['a default expression', 'export default 1 + 2', { default: 3 }],
  ['a default by its name', 'const x = 7; export { x as default }', { default: 7 }],
  ['what is exported changes', 'export let n = 1; export function set() { n = 2 }; set()', { n: 2, set: 'set' }],
  ['a declaration in a block is no export', 'export const a = 1; { const b = 2 }', { a: 1 }],
] as const)('exports: %s', async ([, lib, expected]) => {
  const shown = `Object.fromEntries(Object.entries(lib).map(([k, v]) => [k, typeof v === 'function' ? v.name === '$default' ? String(v).slice(0, String(v).match(/^\\w+/)[0].length) : v.name : v]))`
  expect(await result({ 'lib.js': lib, 'hooks.ts': `import * as lib from './lib.js'\n${returning(shown)}` })).toEqual(
    expected,
  )
})

test('imports of every form, passed on by files in between', async () => {
  expect(
    await result({
      'a.ts': 'export const a: number = 1; export default "a"; export type T = string',
      'sub/b.mjs': `export * from '../a.ts'; export * as all from '../a.ts'; export { default as d, a as again } from '../a.ts'; import '../c.ts'`,
      'c.ts': 'globalThis.ran = (globalThis.ran ?? 0) + 1',
      'hooks.ts': `import type { T } from './nowhere.ts'
        import { type T as U, a, again, d, all } from './sub/b.mjs'
        import name, * as space from './a.ts'
        import './c.ts'
        const top = this; const late = isHoisted; function isHoisted() {}
        ${returning('[a, again, d, all.a, name, space.a, typeof late, globalThis.ran, top === undefined].join()')}`,
    }),
  ).toBe('1,1,a,1,a,1,function,1,true')
})

test('the exports of a file win over those that it passes on', async () => {
  const files = {
    'a.js': 'export const a = 1; export * from "./b.js"; export const c = 3',
    'b.js': 'export const a = 4, b = 2, c = 4',
    'hooks.ts': `import { a, b, c } from './a.js'\n${returning('[a, b, c].join()')}`,
  }
  expect(await result(files)).toBe('1,2,3')
})

test('packages and CommonJS, as Node loads them', async () => {
  const files = {
    'node_modules/esm/package.json': '{"name":"esm","type":"module","exports":"./index.js"}',
    'node_modules/esm/index.js': 'export const e = 1; export default "E"',
    'node_modules/cjs/package.json': '{"name":"cjs"}',
    'node_modules/cjs/index.js': 'exports.c = 2',
    'own.cjs': 'module.exports = { o: 3 }',
    'hooks.ts': `import E, { e } from 'esm'; import C, { c } from 'cjs'; import { o } from './own.cjs'; import fs, { readFileSync } from 'node:fs'
      ${returning('[E, e, C.c, c, o, fs.readFileSync === readFileSync, import.meta.dirname === import.meta.filename.slice(0, -9)].join()')}`,
  }
  expect(await result(files)).toBe('E,1,2,2,3,true,true')
})

test('a file is imported by its whole name, so that a reload reads it again', async () => {
  const { folder, problem } = await load({ 'hooks.ts': `\nimport './lib'\n${returning('1')}`, 'lib.js': '' })
  expect(problem).toEqual({
    place: `${folder}/hooks.ts:2`,
    message: `there is no file ${folder}/lib; is ${folder}/lib.js meant?`,
  })
})

test('the address of a file on another host is refused', async () => {
  const { folder, problem } = await load({ 'hooks.ts': `import 'file://host/lib.js'\n${returning('1')}` })
  expect(problem).toEqual({ place: `${folder}/hooks.ts:1`, message: expect.stringContaining('host') })
})

test('files that import each other are refused', async () => {
  const { folder, problem } = await load({
    'hooks.ts': `import './a.ts'\n${returning('1')}`,
    'a.ts': `\nimport './b.ts'`,
    'b.ts': `\n\nimport './a.ts'`,
  })
  expect(problem).toMatchObject({
    place: `${folder}/b.ts:3`,
    message: expect.stringContaining(`imports ${folder}/a.ts`),
  })
})

test('a file that is no module is refused', () => {
  expect(readProgram('hooks.cjs')).toMatchObject({ message: expect.stringContaining('.ts, .mts, .js or .mjs') })
})

test('errors have the line of the file, whatever stands before it', async () => {
  const { folder, program, hooks } = await load({
    'hooks.ts': `import { fails } from './lib.ts'
      interface X { a: string }
      type Y = /* a
        comment */ X
      export default { request() { fails({ a: 'x' } as Y) } }`,
    'lib.ts': `export const text = \`
      \${1}
      \`; export function fails(_: unknown) {
        throw new Error('here') }`,
  })
  if (program === null) throw new Error('not read')
  let error: unknown
  try {
    hooks?.request?.(undefined as never)
  } catch (thrown) {
    error = thrown
  }
  expect(placeOf(error, program)).toBe(`${folder}/lib.ts:4`)
})

test('a package that is stopped while it loads is loaded anew the next time', async () => {
  const files = {
    'node_modules/slow/package.json': '{"name":"slow"}',
    'node_modules/slow/index.js': 'exports.half = 1; while (!globalThis.mayLoad); exports.whole = 2',
    'hooks.ts': `import slow from 'slow'\n${returning('JSON.stringify(slow)')}`,
  }
  const { folder, program, problem } = await load(files)
  if (program === null) throw new Error('not read')
  expect(problem).toMatchObject({ place: `${folder}/hooks.ts`, message: expect.stringContaining('within 5 s') })
  Object.assign(globalThis, { mayLoad: true })
  const hooks = runProgram(program)
  if (isProblem(hooks)) throw new Error(hooks.message)
  expect(hooks.request?.(undefined as never)).toMatchObject({ body: '{"half":1,"whole":2}' })
})
