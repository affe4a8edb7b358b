/** @fastify/http-proxy as in its documentation. Usage: node fastify-http-proxy.ts PORT UPSTREAM_PORT */
import httpProxy from '@fastify/http-proxy'
import fastify from 'fastify'

const [port, upstreamPort] = process.argv.slice(2)

const app = fastify()
await app.register(httpProxy, { upstream: `http://127.0.0.1:${upstreamPort}` })
await app.listen({ port: Number(port), host: '127.0.0.1' })
