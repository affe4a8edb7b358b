import type { FastifyInstance } from 'fastify'

/** The methods of each path of an API, for the answer 405. */
export class AllowedMethods {
  private readonly routes: { readonly pattern: RegExp; readonly method: string }[] = []

  /** `app`: must not have routes yet. */
  constructor(app: FastifyInstance) {
    app.addHook('onRoute', ({ url, method }) => {
      const pattern = patternOf(url)
      for (const each of [method].flat()) this.routes.push({ pattern, method: each })
    })
  }

  /** The methods of the path of a URL; empty = no route has it. */
  at(path: string): readonly string[] {
    const fitting = this.routes.filter(({ pattern }) => pattern.test(path))
    return [...new Set(fitting.map(({ method }) => method))].toSorted()
  }
}

/** Converts `/api/services/:service` or `/preview/*` to a regular expression. */
function patternOf(url: string): RegExp {
  const segments = url.split('/').map((segment) => {
    if (segment === '*') return '.*'
    return segment.startsWith(':') ? '[^/]+' : segment.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')
  })
  return new RegExp(`^${segments.join('/')}$`)
}
