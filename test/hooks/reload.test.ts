import { execFile } from 'node:child_process'
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Cutover } from '../support/cutover.ts'
import { PROGRAM } from '../support/program.ts'
import { HookedShop } from './support.ts'

const run = promisify(execFile)

let shop: HookedShop
beforeAll(async () => {
  shop = await HookedShop.start()
})
afterAll(() => shop.stop())

const answering = (text: string) => `request() { return { status: 200, body: ${JSON.stringify(text)} } }`

/** Files that cannot be used: the line of the problem, and what is said about it. */
const BROKEN: Readonly<Record<string, readonly [text: string, line: number, message: RegExp]>> = {
  'a syntax error': ['export default {\n  request( {\n}', 3, /./],
  'a syntax error after types are removed': [
    'const a: number = 1\n\nexport default { request() { return return } }',
    3,
    /./,
  ],
  'TypeScript that has to be compiled': ['\nenum A { B }\nexport default {}', 2, /enum is not supported/],
  'no default export': [
    '\nexport const request = () => {}; // export default',
    0,
    /no object of hooks as its default export/,
  ],
  'a default export that is no object': ['\nexport default () => {}', 2, /no object of hooks/],
  'an unknown hook': [
    'export default {\n  request() {},\n  choosepool() {},\n}',
    3,
    /no hook "choosepool"; there are request, choosePool/,
  ],
  'an unknown hook of a named object': [
    'const hooks = {\n  requests() {},\n}\nexport default hooks',
    2,
    /no hook "requests"/,
  ],
  'a hook that is no function': ['export default {\n\n  log: true }', 3, /log must be a function/],
  'an async choosePool': ['export default {\n  async choosePool() {},\n}', 2, /only request may return a promise/],
  'an error when it runs': ['\n\nthrow new Error("not today")\nexport default {}', 3, /Error: not today/],
  'a loop without an end': ['for (;;);\nexport default {}', 0, /was not loaded within 5 s; look for a loop/],
  'an await at the top': ['\nawait 1\nexport default {}', 2, /await/],
  'a missing file': ['\nimport { x } from "./gone.ts"\nexport default {}', 2, /there is no file .*gone\.ts/],
  'a missing package': ['\n\nimport x from "no-such-package"\nexport default {}', 3, /no-such-package/],
  'a missing export': ['\nimport { nope } from "node:os"\nexport default {}', 2, /exports no nope/],
  'a type imported as a value': ['import { Hooks } from "node:os"\nexport default {}', 1, /import type/],
}

describe.for(Object.entries(BROKEN))('%s', ([, [text, line, message]]) => {
  test('changes nothing at a reload, and the reload says why and where', async () => {
    await shop.use(answering('before'))
    const { status, body } = await shop.reload(text)
    const place = `${shop.folder}/hooks.ts${line === 0 ? '' : `:${line}`}: `
    expect([status, body.problems?.[0]?.path]).toEqual([422, 'proxy.hooks'])
    expect(body.problems[0].message.startsWith(place)).toBe(true)
    expect(body.problems[0].message.slice(place.length)).toMatch(message)
    expect(await shop.whoAnswers()).toBe('before')
  })
})

test('a start and cutover check refuse a broken file, with its place', async () => {
  await shop.reload('export default {\n  unknown() {} }')
  const checked = await run(process.execPath, [PROGRAM, 'check', shop.cutover.configFile]).catch((error) => error)
  const said = `proxy.hooks: ${shop.folder}/hooks.ts:2: there is no hook "unknown"`
  expect([checked.code, checked.stderr]).toEqual([2, expect.stringContaining(said)])
  const start = await Cutover.launch(shop.options)
  expect(await start.exited).toMatchObject({ code: 2 })
  expect(start.stderr).toContain(said)
  await start.stop()
  await rm(join(shop.folder, 'hooks.ts'))
  const missing = await run(process.execPath, [PROGRAM, 'check', shop.cutover.configFile]).catch((error) => error)
  expect(missing.stderr).toContain(`proxy.hooks: ${shop.folder}/hooks.ts: there is no file`)
  await shop.use(answering('back'))
  const fine = await run(process.execPath, [PROGRAM, 'check', shop.cutover.configFile])
  expect([fine.stdout, fine.stderr]).toEqual([expect.stringContaining('is fine'), ''])
})

test('a check runs the file once, and only if all else is right', async () => {
  const hooks = `import { appendFileSync } from 'node:fs'
    appendFileSync('${shop.folder}/runs', 'x')
    throw new Error('not today')
    export default {}`
  const runs = () => readFile(join(shop.folder, 'runs'), 'utf8')
  expect((await shop.reload(hooks)).body.problems).toHaveLength(1)
  expect(await runs()).toBe('x')
  const { shop: service } = shop.options.services as { shop: object }
  const check = async (weight: string) => {
    const pools = { blue: { servers: { blue1: { url: 'http://127.0.0.1:9', weight } } } }
    await shop.cutover.configure({ ...shop.options, services: { shop: { ...service, pools, routes: [] } } })
    const env = { ...process.env, WEIGHT: '2' }
    return run(process.execPath, [PROGRAM, 'check', shop.cutover.configFile], { env }).catch((error) => error)
  }
  expect((await check('heavy')).stderr).toContain('weight')
  expect(await runs()).toBe('x')
  // Read as text first, and as a number where that does not fit.
  // biome-ignore lint/suspicious/noTemplateCurlyInString: a reference to the environment
  expect((await check('${WEIGHT}')).stderr).toContain('not today')
  expect(await runs()).toBe('xx')
  await shop.cutover.configure(shop.options)
})

test('a changed file is noticed though the configuration has not changed, and so are the files that it imports', async () => {
  await shop.write('lib.ts', 'export const text: string = "one"')
  await shop.write('list.json', '["a"]')
  const hooks = `import type { Hooks } from 'cutover'
import os, { EOL } from 'node:os'
import * as lib from './lib.ts'
import { text as same } from './lib.ts'
import list from './list.json' with { type: 'json' }
let count = 0
export default {
  async request(r) {
    const { sep } = await import('node:path')
    return { status: 200, body: [lib.text, same, list[0], EOL === os.EOL, sep, import.meta.filename.slice(-8), ++count].join() }
  },
} satisfies Hooks`
  await shop.use(hooks)
  expect(await shop.whoAnswers()).toBe('one,one,a,true,/,hooks.ts,1')
  expect(await shop.whoAnswers()).toBe('one,one,a,true,/,hooks.ts,2')
  await shop.write('lib.ts', 'export const text = "two"')
  await shop.write('list.json', '["b"]')
  const { body } = await shop.cutover.api('POST', '/api/config/reload')
  expect(body).toMatchObject({ changed: false, needRestart: [] })
  expect(await shop.whoAnswers()).toBe('two,two,b,true,/,hooks.ts,1')
  await shop.write('lib.ts', 'export const text =')
  expect((await shop.reload(hooks)).body.problems[0].message).toContain(`${shop.folder}/lib.ts:1: `)
  expect(await shop.whoAnswers()).toBe('two,two,b,true,/,hooks.ts,2')
})

test('SIGHUP reloads as well', async () => {
  await shop.use(answering('before'))
  await shop.write('hooks.ts', `export default { ${answering('after')} }`)
  shop.cutover.process.kill('SIGHUP')
  while ((await shop.whoAnswers()) !== 'after');
})

test('a configuration that is refused changes no hooks', async () => {
  await shop.use(answering('before'))
  await shop.write('hooks.ts', `export default { ${answering('after')} }`)
  const { pools } = shop.options.services as unknown as { pools: object }
  await shop.cutover.configure({ ...shop.options, services: { other: { pools, paths: ['/other'], health: 'off' } } })
  const { status } = await shop.cutover.api('POST', '/api/config/reload')
  expect([status, await shop.whoAnswers()]).toEqual([422, 'before'])
  await shop.cutover.configure({ ...shop.options, services: {} })
  const refused = await shop.cutover.api('POST', '/api/config/reload')
  expect([refused.status, await shop.whoAnswers()]).toEqual([409, 'before'])
  await shop.cutover.configure(shop.options)
  expect((await shop.cutover.api('POST', '/api/config/reload')).status).toBe(200)
  expect(await shop.whoAnswers()).toBe('after')
})

test('hooks, timeout and errors need no restart: they come, change and go with a reload', async () => {
  const { hooks: file } = shop.options.proxy as { hooks: string }
  await shop.use('request() { throw new Error("x") }')
  expect(await shop.whoAnswers()).toBe('500')
  await shop.cutover.configure({ ...shop.options, proxy: { hooks: file, hookErrors: 'ignore' } })
  const { body } = await shop.cutover.api('POST', '/api/config/reload')
  expect([body.needRestart, await shop.whoAnswers()]).toEqual([[], 'blue1'])
  const config = (await shop.cutover.api('GET', '/api/config')).body
  expect(config.proxy).toMatchObject({ hooks: file, hookTimeoutMs: 1_000, hookErrors: 'ignore' })
  expect(JSON.stringify(config)).not.toContain('throw new Error')
  await shop.cutover.configure({ ...shop.options, proxy: {} })
  expect((await shop.cutover.api('POST', '/api/config/reload')).body.needRestart).toEqual([])
  expect(await shop.whoAnswers()).toBe('blue1')
  await shop.cutover.configure(shop.options)
  await shop.use('request() { throw new Error("y") }')
  expect(await shop.whoAnswers()).toBe('500')
})
