import type { Options } from './types.ts'

let options: Options = {}
export const setOptions = (given: Options): void => {
  options = given
}

export const textOption = (name: keyof Options, fallback = ''): string => `${options[name] ?? fallback}`
export const numberOption = (name: keyof Options, fallback: number): number => +textOption(name) || fallback
/** Whether a list, separated by commas, names the item. */
export const listed = (name: keyof Options, item: string, fallback?: string): boolean =>
  textOption(name, fallback)
    .split(/[\s,]+/)
    .includes(item)
