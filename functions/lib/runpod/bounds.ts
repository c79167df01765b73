import * as z from 'zod/mini';
import { boundedText } from '../bounded-text.ts';

/** Runpod's ids have some ten characters, and its names no documented maximum: what is longer is cut. */
export const maxNameBytes = 191;
/** A registry's host, a repository's name, a tag and a digest, each as long as it may be, are somewhat shorter. */
export const maxImageBytes = 512;

/** An id by which something is asked for again: one that was cut would name something else. */
export const givenIdSchema = z.pipe(
  z.string().check(z.minLength(1), z.maxLength(maxNameBytes)),
  boundedText(maxNameBytes),
);
