/**
 * Who is to be found in the events: by the columns, and by the same ids inside of raw events (an alias names its previous
 * id). A user's linked visitors are only meant where no other user was logged in: shared devices have several.
 */
export type Person = { visitors: readonly string[]; users: readonly string[] }

/** Keys under which raw events hold ids of people. */
const identityKeys = [
  ...['visitorId', 'visitor_id', 'anonymousId', 'anonymous_id', 'distinctId', 'distinct_id'],
  ...['userId', 'user_id', 'uid', 'previousId', 'previous_id', 'customerId', 'customer_id', 'accountId', 'memberId'],
] as const
const userKeys = identityKeys.slice(6)

/** `"userId":"u1"` as it stands in a raw event, which is written without blanks; `"userId":1` of an id that is a number. */
const marksOf = (keys: readonly string[], ids: readonly string[]): string[] =>
  ids.flatMap((id) =>
    keys.flatMap((key) => [
      `${JSON.stringify(key)}:${JSON.stringify(id)}`,
      ...(/^-?\d{1,400}$/.test(id) ? [',', '}'].map((end) => `${JSON.stringify(key)}:${id}${end}`) : []),
    ]),
  )

/** What a raw event of the person contains, whatever its columns say. */
export const personMarks = ({ visitors, users }: Person): string[] =>
  users.length > 0 ? marksOf(userKeys, users) : marksOf(identityKeys, visitors)

/**
 * The condition that finds a person's rows, for PostgreSQL. Parameters from `first` on: visitors, users, marks (text[]).
 * A person is a set of visitors, or a set of users with the visitors that were linked to them.
 */
export const personCondition = (first: number): string =>
  `(user_id = any($${first + 1}::text[])
    or (visitor_id = any($${first}::text[]) and (cardinality($${first + 1}::text[]) = 0 or user_id is null))
    or exists (select from unnest($${first + 2}::text[]) as mark where strpos(raw_event_data::text, mark) > 0))`

export const personParameters = (person: Person): string[][] => [
  [...person.visitors],
  [...person.users],
  personMarks(person),
]

const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`
const listOf = (texts: readonly string[]): string => `[${texts.map(literal).join(', ')}]::varchar[]`

/** The same condition for DuckDB, over columns of these names; literals, because COPY takes no parameters. */
export const personConditionDuckDb = (
  person: Person,
  column: (name: 'visitor_id' | 'user_id' | 'raw_event_data') => string,
): string => {
  const { visitors, users } = person
  const parts = [
    `coalesce(list_contains(${listOf(users)}, ${column('user_id')}), false)`,
    `(coalesce(list_contains(${listOf(visitors)}, ${column('visitor_id')}), false)
      and (${users.length === 0} or ${column('user_id')} is null))`,
    ...personMarks(person).map((mark) => `contains(${column('raw_event_data')}::varchar, ${literal(mark)})`),
  ]
  return `(${parts.join('\n or ')})`
}
