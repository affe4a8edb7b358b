import { appOf, isVersionName, nameOf } from '../names.ts'
import type { Report, Statement } from '../report.ts'
import { putAt } from './parse.ts'
import { Tree } from './tree.ts'

/** Whether a file is one of Docker Compose. */
export function isCompose(root: Tree): boolean {
  return (
    root
      .at('services')
      ?.items.some((service) =>
        ['labels', 'image', 'build', 'deploy', 'command'].some((key) => service.at(key) !== null),
      ) === true
  )
}

/** A label of a container. */
interface Label {
  readonly key: string
  readonly value: string
  readonly statement: Statement
}

/**
 * Makes one tree as of a dynamic and a static configuration out of the labels of all containers and the command of Traefik.
 * The rest of the file is not about requests.
 */
export function fromCompose(compose: Tree, report: Report): Tree {
  const { file } = compose.place
  const root = new Tree({ file, line: 1 })
  for (const [name, container] of compose.at('services')?.entries ?? []) {
    readCommand(container, root, report)
    const labels = [...labelsOf(container.at('labels'), report), ...labelsOf(container.at('deploy', 'labels'), report)]
    const of = labels.filter(({ key }) => key.toLowerCase().startsWith('traefik.'))
    if (of.length > 0) addContainer(name, container, of, root, report)
  }
  return root
}

/** Labels in a list of `key=value`, or as a mapping. */
function labelsOf(tree: Tree | null, report: Report): readonly Label[] {
  if (tree === null) return []
  return tree.entries.flatMap(([key, item]) => {
    const text = item.text(report) ?? ''
    const isList = /^\d+$/.test(key) && text.includes('=')
    const [name = '', value = ''] = isList ? text.split(/=(.*)/s) : [key, text]
    // $$ is a $ in Compose.
    const plain = value.replaceAll('$$', '$')
    return [{ key: name.trim(), value: plain, statement: { ...item.place, text: `${name}=${value}` } }]
  })
}

/** `--entrypoints.web.address=:80` of the Traefik container. */
function readCommand(container: Tree, root: Tree, report: Report): void {
  const image = container.at('image')?.text(report) ?? ''
  if (!/(^|\/)traefik(:|$)/.test(image)) return
  const command = container.at('command')
  const own = command?.text(report)
  const items = own
    ? own.split(/\s+/).map((text) => ({ text, place: command?.place ?? container.place }))
    : (command?.items ?? []).map((item) => ({ text: item.text(report) ?? '', place: item.place }))
  for (const { text, place } of items) {
    const [, path, value = 'true'] = /^--([\w.[\]-]+)(?:=(.*))?$/s.exec(text) ?? []
    if (path !== undefined) putAt(root, path, value.replaceAll('$$', '$'), place, text)
  }
}

function addContainer(name: string, container: Tree, labels: readonly Label[], root: Tree, report: Report): void {
  const byKey = (pattern: RegExp) => labels.filter(({ key }) => pattern.test(key))
  const enabled = byKey(/^traefik\.enable$/i)[0]
  if (enabled !== undefined) report.take(enabled.statement)
  if (enabled?.value === 'false') {
    for (const { statement } of labels)
      if (!report.knows(statement)) report.notNeeded(statement, 'traefik.enable is false here')
    return
  }
  for (const { statement } of byKey(/^traefik\.docker\./i))
    report.notNeeded(statement, 'Cutover reaches a container by its name')
  const services = new Set(byKey(/^traefik\.http\.services\./i).map(({ key }) => key.split('.')[3] ?? ''))
  const balanced = [...services].filter(
    (each) =>
      byKey(new RegExp(`^traefik\\.http\\.services\\.${each}\\.(weighted|mirroring|failover)`, 'i')).length === 0,
  )
  const routers = new Set(byKey(/^traefik\.http\.routers\./i).map(({ key }) => key.split('.')[3] ?? ''))
  if (balanced.length === 0) balanced.push(name)
  for (const { key, value, statement } of labels) {
    if (report.knows(statement) || /\.loadbalancer\.server\./i.test(key)) continue
    putAt(root, key.replace(/^traefik\./i, ''), value, statement, statement.text)
  }
  const isRouted = routers.size > 0 || services.size > 0
  if (isRouted) for (const service of balanced) addServer(service, name, container, labels, root, report)
  const [only] = balanced
  for (const router of routers) {
    const tree = root.at('http', 'routers', router)
    if (tree !== null && tree.at('service') === null && balanced.length === 1 && only !== undefined)
      tree.grow('service', tree.place).put(only)
  }
  if (!isRouted && enabled !== undefined)
    report.leftOut(
      enabled.statement,
      'Traefik makes its rule from the name of the container; write a router with a rule',
    )
}

/** The container as a server of a service. Versions of one app become pools of their own. */
function addServer(
  service: string,
  name: string,
  container: Tree,
  labels: readonly Label[],
  root: Tree,
  report: Report,
): void {
  const option = (key: string) => {
    const label = labels.find(
      (each) => each.key.toLowerCase() === `traefik.http.services.${service}.loadbalancer.server.${key}`.toLowerCase(),
    )
    if (label !== undefined) report.take(label.statement)
    return label
  }
  const [port, scheme, weight, url] = ['port', 'scheme', 'weight', 'url'].map(option)
  const address =
    url?.value ?? `${scheme?.value ?? 'http'}://${name}:${port?.value ?? exposedPort(container, report) ?? '80'}`
  const servers = root
    .grow('http', container.place)
    .grow('services', container.place)
    .grow(service, container.place)
    .grow('loadBalancer', container.place)
    .grow('servers', container.place)
  const index = String(servers.items.length)
  const place = (port ?? url)?.statement ?? container.place
  const server = servers.grow(index, place)
  server.grow('url', place).put(address)
  server.grow('cutover-name', place).put(nameOf(name))
  if (isVersionName(name) || appOf(name) !== null) server.grow('cutover-version', place).put(nameOf(name))
  if (weight !== undefined) server.grow('weight', weight.statement).put(weight.value)
  const replicas = container.at('deploy', 'replicas') ?? container.at('scale')
  if (replicas !== null && Number(replicas.text(report)) > 1)
    report.differs(
      { ...replicas.place, text: `${name}: replicas: ${replicas.text(report)}` },
      'Cutover takes the addresses of a name as one server; write a server for each replica',
    )
}

/** The first port that a container exposes. */
function exposedPort(container: Tree, report: Report): string | null {
  const [exposed] = container.at('expose')?.items ?? []
  const [published] = container.at('ports')?.items ?? []
  const text = exposed?.text(report) ?? published?.text(report) ?? null
  return text === null ? null : (/(\d+)(?:\/\w+)?$/.exec(text)?.[1] ?? null)
}
