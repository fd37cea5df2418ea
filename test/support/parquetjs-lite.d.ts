declare module 'parquetjs-lite' {
  type Cursor = { next(): Promise<Record<string, unknown> | null> }
  type Reader = { getCursor(): Cursor; close(): Promise<void> }
  const parquetjs: { ParquetReader: { openBuffer(bytes: Buffer): Promise<Reader> } }
  export default parquetjs
}
declare module 'parquetjs-lite/lib/types.js' {
  const types: {
    PARQUET_LOGICAL_TYPES: Record<'TIMESTAMP_MICROS' | 'JSON', { fromPrimitive: (value: bigint | string) => unknown }>
  }
  export default types
}
