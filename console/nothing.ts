/** In the place of a package that a library would load for what we never ask of it. */
export const nothing = undefined
