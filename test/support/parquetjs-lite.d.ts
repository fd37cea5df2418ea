declare module 'parquetjs-lite' {
  type Cursor = { next(): Promise<Record<string, unknown> | null> }
  type Reader = { getCursor(): Cursor; getRowCount(): number; close(): Promise<void> }
  type Field = { type: string; optional: boolean; compression: string }
  class ParquetSchema {
    constructor(fields: Record<string, Field>)
  }
  type Writer = { setRowGroupSize(rows: number): void; appendRow(row: object): Promise<void>; close(): Promise<void> }
  const parquetjs: {
    ParquetReader: { openBuffer(bytes: Buffer): Promise<Reader>; openFile(file: string): Promise<Reader> }
    ParquetSchema: typeof ParquetSchema
    ParquetWriter: { openFile(schema: ParquetSchema, file: string): Promise<Writer> }
  }
  export default parquetjs
}
declare module 'parquetjs-lite/lib/types.js' {
  const types: {
    PARQUET_LOGICAL_TYPES: Record<'TIMESTAMP_MICROS' | 'JSON', { fromPrimitive: (value: bigint | string) => unknown }>
  }
  export default types
}
