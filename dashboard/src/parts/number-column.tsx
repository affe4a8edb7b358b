/** The head of a column of figures. */
export function NumberColumn({ name }: { name: string }) {
  return (
    <th scope="col" class="number">
      {name}
    </th>
  )
}
