import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Deployment } from 'kubernetes-models/apps/v1/Deployment'
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1/PodDisruptionBudget'
import { ConfigMap } from 'kubernetes-models/v1/ConfigMap'
import { Service } from 'kubernetes-models/v1/Service'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import type { Config } from '../../src/config/config.ts'
import { loadConfig } from '../../src/config/load.ts'
import { EXAMPLES } from './stage.ts'

/** The official schemas, by what a manifest says of itself. */
const KINDS: Readonly<Record<string, new (data: never) => { validate(): void }>> = {
  'apps/v1 Deployment': Deployment,
  'policy/v1 PodDisruptionBudget': PodDisruptionBudget,
  'v1 ConfigMap': ConfigMap,
  'v1 Service': Service,
}

// biome-ignore lint/suspicious/noExplicitAny: the schemas say what is in a manifest.
type Manifest = any

async function manifests(file: string): Promise<readonly Manifest[]> {
  const text = await readFile(join(EXAMPLES, 'kubernetes', file), 'utf8')
  return parseAllDocuments(text).map((document) => document.toJS())
}

const all = [...(await manifests('cutover.yaml')), ...(await manifests('shop.yaml'))]
const find = (kind: string, name: string): Manifest =>
  all.find((each) => each.kind === kind && each.metadata.name === name)

let folder = ''
let config: Config
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cutover-kubernetes-'))
  const file = join(folder, 'cutover.yaml')
  await writeFile(file, find('ConfigMap', 'cutover').data['cutover.yaml'])
  const env = {
    CUTOVER_TOKEN: 'token-of-a-person',
    CUTOVER_FLEET_TOKEN: 'token-of-instances',
    CUTOVER_REDIS: 'redis://redis:6379',
  }
  const loaded = await loadConfig(file, env)
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems))
  config = loaded.config
})
afterAll(() => rm(folder, { recursive: true, force: true }))

test.each(all.map((each) => [`${each.apiVersion} ${each.kind}`, each.metadata.name, each] as const))(
  '%s %s is as the official schema has it',
  (kind, _name, manifest) => {
    const Kind = KINDS[kind]
    if (Kind === undefined) throw new Error(`there is no schema for ${kind}`)
    new Kind(manifest as never).validate()
  },
)

describe('the Deployment of Cutover', () => {
  const { spec } = find('Deployment', 'cutover').spec.template
  const [container] = spec.containers

  test('listens where probes and Services look', () => {
    const ports = Object.fromEntries(
      container.ports.map(({ name, containerPort }: { name: string; containerPort: number }) => [name, containerPort]),
    )
    const listens = [config.proxy.listen, config.admin.listen].flat().map((listen) => (listen as { port: number }).port)
    expect([ports.http, ports.admin]).toEqual(listens)
    expect([container.livenessProbe.httpGet, container.readinessProbe.httpGet]).toEqual([
      { path: '/healthz', port: 'admin' },
      { path: '/ready', port: 'admin' },
    ])
    const targets = ['cutover', 'cutover-admin'].map((name) => find('Service', name).spec.ports[0].targetPort)
    expect(targets).toEqual(['http', 'admin'])
  })

  test('has the time that a shutdown takes, and the 5 s that workers get on top', () => {
    const { acceptForMs, timeoutMs } = config.shutdown
    const preStop = container.lifecycle.preStop.sleep.seconds
    const shutdownMs = acceptForMs + (timeoutMs ?? Number.POSITIVE_INFINITY)
    expect(spec.terminationGracePeriodSeconds).toBeGreaterThanOrEqual(shutdownMs / 1_000 + preStop + 5)
  })

  test('gets every variable of the configuration, and can write where the state is kept', () => {
    const text = find('ConfigMap', 'cutover').data['cutover.yaml'] as string
    const used = [...text.matchAll(/\$\{(\w+)\}/g)].map(([, name]) => name)
    expect(container.env.map(({ name }: { name: string }) => name).toSorted()).toEqual(used.toSorted())
    const mounts = container.volumeMounts.map(({ mountPath }: { mountPath: string }) => mountPath)
    expect(mounts).toEqual(expect.arrayContaining([config.store.path, '/etc/cutover', '/tmp']))
  })
})

test('every server of the configuration is a Service without a cluster IP, and its pods listen there', () => {
  const { shop } = config.services as unknown as Record<string, { pools: Record<string, { servers: object }> }>
  expect(Object.keys(shop?.pools ?? {})).toEqual(['blue', 'green'])
  for (const pool of ['blue', 'green']) {
    const service = find('Service', `shop-${pool}`)
    expect([service.spec.clusterIP, service.spec.selector]).toEqual(['None', { app: 'shop', pool }])
    const { template } = find('Deployment', `shop-${pool}`).spec
    expect(template.metadata.labels).toEqual(service.spec.selector)
    expect(template.spec.containers[0].ports[0].containerPort).toBe(service.spec.ports[0].port)
    expect(JSON.stringify(shop?.pools[pool]?.servers)).toContain(`shop-${pool}:9000`)
  }
})
