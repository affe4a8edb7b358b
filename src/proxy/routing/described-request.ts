import type { ExplainedRequest } from '../../model/explain.ts'
import { own } from '../../model/names.ts'
import type { RoutedRequest } from './routed-request.ts'

/** A request that is only described, for explanations. */
export class DescribedRequest implements RoutedRequest {
  readonly method: string
  readonly target: string
  readonly address: string | null
  /** Whether the decision needs an id that the client does not have. */
  needsId = false
  private readonly headers: Readonly<Record<string, string>>
  private readonly cookies: Readonly<Record<string, string>>

  constructor({ method, target, address, headers, cookies }: ExplainedRequest) {
    this.method = method
    this.target = target
    this.address = address
    this.headers = headers
    this.cookies = cookies
  }

  header(name: string): string | null {
    return own(this.headers, name) ?? null
  }

  cookie(name: string): string | null {
    return own(this.cookies, name) ?? null
  }

  issuedId(): string {
    this.needsId = true
    return ''
  }
}
