import type { Fact } from './fact.ts'

/** A figure about fewer people than this is about people whom one could know: it is told to no model. */
export const peopleMin = 10

/** People behind a figure, counted until there are enough: what is kept of a row stays small, whatever is sent. */
export type People = string[]
export const addPerson = (people: People, key: string): void => {
  if (people.length < peopleMin && !people.includes(key)) people.push(key)
}

/**
 * Whether a fact stands on enough cases and on enough people. Where its people were not counted its cases stand in, but
 * never for money: a dozen orders may be those of one buyer.
 */
export const hasEnoughPeople = ({ n, people, unit }: Fact): boolean =>
  n >= peopleMin && (people ?? (unit === 'usd' || unit === 'money' ? 0 : n)) >= peopleMin

/**
 * How many people the parts of a sum can be told of: with the total, those that are told tell what is left of it. `others`
 * are people of parts that are not listed.
 */
export const tellableParts = (parts: readonly People[], others: readonly string[] = []): ((part: People) => number) => {
  const rest: People = []
  for (const key of others) addPerson(rest, key)
  for (const part of parts) if (part.length < peopleMin) for (const key of part) addPerson(rest, key)
  return (part) => (rest.length === 0 ? part.length : Math.min(rest.length, part.length))
}
