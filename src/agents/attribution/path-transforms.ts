/**
 * How a path of channels may be shortened before it is credited; named and defined as in Google's Fractribution and
 * Snowplow's attribution models. Each takes and gives a list of channels, oldest first.
 */
export const pathTransforms = {
  /** As it is: D A B B C D C C stays. */
  unique_path: (path: readonly string[]): string[] => [...path],
  /** One exposure, however often it repeats at once: A A B → A B. */
  exposure_path: (path: readonly string[]): string[] => path.filter((channel, index) => channel !== path[index - 1]),
  /** The first time of each: A B A → A B. */
  first_path: (path: readonly string[]): string[] => path.filter((channel, index) => path.indexOf(channel) === index),
  /** Without direct visits at the end, unless nothing else is there. */
  remove_if_last_and_not_all: (path: readonly string[], channel = 'direct'): string[] => {
    const end = path.findLastIndex((one) => one !== channel)
    return end < 0 ? [...path] : path.slice(0, end + 1)
  },
  /** Without direct visits anywhere, unless nothing else is there. */
  remove_if_not_all: (path: readonly string[], channel = 'direct'): string[] => {
    const others = path.filter((one) => one !== channel)
    return others.length === 0 ? [...path] : others
  },
}
export const pathTransformNames = Object.keys(pathTransforms) as (keyof typeof pathTransforms)[]
export type PathTransform = keyof typeof pathTransforms
