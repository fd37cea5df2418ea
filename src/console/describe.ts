import type { z } from 'zod'
import type { Role } from '../roles.ts'

/** A route as programs see it: what it is for, who may call it, what it takes and answers. */
export type Described = {
  method: 'GET' | 'POST' | 'DELETE'
  /** As fastify spells it: `/billing/domains/:domain/approve`. */
  path: string
  summary: string
  /** `anyone` needs no token, `local` needs none from this machine, `sender` a write key where it is not a browser's. */
  role: Role | 'anyone' | 'local' | 'sender'
  query?: z.ZodObject
  body?: z.ZodType
  /** Of a success; absent: no JSON, see `media`. */
  answer?: z.ZodType
  status?: number
  media?: string
}
