import { z } from 'zod'
import { factDimensions } from '../fact.ts'
import { factFormats } from '../narrative.ts'

/**
 * What the model answers with: paragraphs of pieces. It types words only; numbers and names are references. Every field
 * is required and no text has a length here: the API's schemas know neither, so `checkDraft` looks after it.
 */
export const draftSchema = z.strictObject({
  paragraphs: z.array(
    z.strictObject({
      pieces: z.array(
        z.discriminatedUnion('kind', [
          z.strictObject({ kind: z.literal('text'), text: z.string() }),
          z.strictObject({ kind: z.literal('fact'), fact_id: z.string(), format: z.enum(factFormats) }),
          z.strictObject({ kind: z.literal('name'), fact_id: z.string(), dimension: z.enum(factDimensions) }),
        ]),
      ),
    }),
  ),
})
export type Draft = z.infer<typeof draftSchema>
export type DraftPiece = Draft['paragraphs'][number]['pieces'][number]

export const paragraphsMax = 6
export const piecesMax = 40
export const textChars = 400
export const narrativeChars = 2_000
