import { findHolder } from '../access/tokens.ts'
import type { Clock } from '../clock.ts'
import { findSession } from '../console/sessions.ts'
import type { Db } from '../db.ts'
import type { AppOptions } from '../http.ts'
import type { Secret } from '../secret.ts'

/** Whose a token or a session is. */
export const holders = (
  db: Db,
  { clock, adminToken }: { clock: Clock; adminToken: Secret },
): Required<Pick<AppOptions, 'findHolder' | 'findSession'>> => ({
  findHolder: (token) => findHolder(db, token, clock.now()),
  findSession: (session) => findSession(db, session, adminToken, clock.now()),
})
