import type { FastifyInstance } from 'fastify'

/** Which methods each path of an API takes, for answers to those that it does not take. */
export class AllowedMethods {
  private readonly routes: { readonly pattern: RegExp; readonly method: string }[] = []

  /** Of an API without routes yet. */
  constructor(app: FastifyInstance) {
    app.addHook('onRoute', ({ url, method }) => {
      const pattern = patternOf(url)
      for (const each of [method].flat()) this.routes.push({ pattern, method: each })
    })
  }

  /** The methods of a path, as a URL has it; none = there is nothing at that path. */
  at(path: string): readonly string[] {
    const fitting = this.routes.filter(({ pattern }) => pattern.test(path))
    return [...new Set(fitting.map(({ method }) => method))].toSorted()
  }
}

/** `/api/services/:service` and `/preview/*` as regular expressions. */
function patternOf(url: string): RegExp {
  const segments = url.split('/').map((segment) => {
    if (segment === '*') return '.*'
    return segment.startsWith(':') ? '[^/]+' : segment.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')
  })
  return new RegExp(`^${segments.join('/')}$`)
}
