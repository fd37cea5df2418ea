/**
 * Who may do what over HTTP: a viewer reads, a client also decides about domains and the requests of people, an operator may
 * do everything. Each may do what those before it may.
 */
export const roles = ['viewer', 'client', 'operator'] as const
export type Role = (typeof roles)[number]

/** Who sent a request: the holder of a token, or whoever has the admin token. */
export type Holder = { name: string; role: Role }

export const mayActAs = (held: Role, needed: Role): boolean => roles.indexOf(held) >= roles.indexOf(needed)
