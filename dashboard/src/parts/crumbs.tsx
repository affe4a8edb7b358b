import { linkTo } from '../route.ts'

/** The way up from a view. `service`: that which the view is about; null = all. */
export function Crumbs({ service = null }: { service?: string | null }) {
  return (
    <p class="crumbs">
      <a href={linkTo()}>Services</a>
      {service !== null && (
        <>
          {' '}
          / <a href={linkTo('services', service)}>{service}</a>
        </>
      )}
    </p>
  )
}
