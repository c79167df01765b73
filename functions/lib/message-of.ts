/** What an error says. Anything may be thrown: what is no error is told as text. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
