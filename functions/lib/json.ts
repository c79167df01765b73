const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Parses JSON, of text or of bytes in UTF-8. `undefined` for everything else. */
export const parseJson = (json: string | Uint8Array | undefined): unknown => {
  try {
    return JSON.parse(typeof json === 'string' ? json : utf8.decode(json));
  } catch {
    return undefined;
  }
};

/** How many bytes a value takes as JSON. */
export const bytesOf = (value: unknown): number => Buffer.byteLength(JSON.stringify(value));
