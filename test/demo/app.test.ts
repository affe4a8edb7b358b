import { once } from 'node:events'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { type App, startApp } from '../../src/demo/app.ts'

let app: App

beforeEach(async () => {
  app = await startApp({ name: 'blue1', version: '1.0.0', port: 0 })
})

afterEach(() => app.close())

test('any path is answered with what was asked, and by whom', async () => {
  const response = await fetch(`${app.url}/a%2Fb?x=1`, { method: 'PUT', body: '12345', headers: { 'x-mine': 'yes' } })
  const body = await response.text()
  expect(body).toMatch(/^\{\n {2}"name".*\}\n$/s)
  expect(JSON.parse(body)).toMatchObject({
    name: 'blue1',
    version: '1.0.0',
    method: 'PUT',
    path: '/a%2Fb?x=1',
    headers: { 'x-mine': 'yes' },
    bodyBytes: 5,
  })
  expect((await fetch(`${app.url}/constructor`)).status).toBe(200)
})

test('its health can be broken and mended', async () => {
  const health = async () => (await fetch(`${app.url}/healthz`)).status
  const post = async (path: string) => (await fetch(app.url + path, { method: 'POST' })).status
  expect(await health()).toBe(200)
  expect((await fetch(`${app.url}/healthz/fail`)).status).toBe(405)
  expect(await health()).toBe(200)
  expect(await post('/healthz/fail')).toBe(200)
  expect(await health()).toBe(503)
  expect(await post('/healthz/ok')).toBe(200)
  expect(await health()).toBe(200)
})

test('events come at once, and then every second', async () => {
  const startedAt = performance.now()
  const response = await fetch(`${app.url}/events`)
  expect(response.headers.get('content-type')).toBe('text/event-stream')
  const seen: string[] = []
  for await (const chunk of response.body ?? []) {
    seen.push(Buffer.from(chunk).toString())
    if (seen.length === 1) expect(performance.now() - startedAt).toBeLessThan(900)
    if (seen.length === 2) break
  }
  expect(seen).toEqual(
    [1, 2].map((count) => `id: ${count}\ndata: {"name":"blue1","version":"1.0.0","count":${count}}\n\n`),
  )
})

test('slow is as slow as it is told to be', async () => {
  const startedAt = performance.now()
  expect(await (await fetch(`${app.url}/slow?ms=120`)).json()).toMatchObject({ name: 'blue1', ms: 120 })
  expect(performance.now() - startedAt).toBeGreaterThan(110)
  expect((await fetch(`${app.url}/slow?ms=soon`)).status).toBe(400)
})

test('a download has the size it is asked for', async () => {
  const response = await fetch(`${app.url}/download?mb=2.5`)
  expect(response.headers.get('content-length')).toBe('2621440')
  expect((await response.arrayBuffer()).byteLength).toBe(2_621_440)
  expect((await fetch(`${app.url}/download?mb=-1`)).status).toBe(400)
})

test('the WebSocket greets, and echoes text as text and bytes as bytes', async () => {
  const socket = new WebSocket(`${app.url.replace('http', 'ws')}/ws`)
  const next = async () => {
    const [data, isBinary] = await once(socket, 'message')
    return [String(data), isBinary]
  }
  expect(await next()).toEqual(['hello from blue1, version 1.0.0', false])
  socket.send('text')
  expect(await next()).toEqual(['text', false])
  socket.send(Buffer.from('bytes'))
  expect(await next()).toEqual(['bytes', true])
  socket.terminate()
})

describe('close', () => {
  test('waits for nothing, and may be called again', async () => {
    const events = await fetch(`${app.url}/events`)
    const socket = new WebSocket(`${app.url.replace('http', 'ws')}/ws`)
    await once(socket, 'open')
    const broken = Promise.all([once(socket, 'close'), expect(events.text()).rejects.toThrow()])
    await app.close()
    await broken
    await app.close()
    await expect(fetch(app.url)).rejects.toThrow()
  })
})

test('a taken port is an error that names it', async () => {
  const port = Number(new URL(app.url).port)
  await expect(startApp({ name: 'x', version: '1', port })).rejects.toMatchObject({ code: 'EADDRINUSE', port })
})
