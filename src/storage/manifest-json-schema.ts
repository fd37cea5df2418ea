import { z } from 'zod'
import { manifestSchema } from './manifest.ts'

/** The text of `docs/manifest.schema.json`: the manifest as JSON Schema, for readers that are not ours. */
export const renderManifestSchema = (): string =>
  `${JSON.stringify({ title: 'Evothesis manifest, version 1', ...z.toJSONSchema(manifestSchema) }, null, 2)}\n`
