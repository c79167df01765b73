import * as z from 'zod/mini';

/** An id at Runpod. */
export const runpodId = z.string().check(z.regex(/^[A-Za-z0-9_-]{1,64}$/, 'expected a Runpod id, such as 6n2k8v4d'));
