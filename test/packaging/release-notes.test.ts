import { describe, expect, it } from 'vitest';
import { releaseNotes } from '../../packaging/release-notes.ts';

const changelog =
  '# Changelog\n\n## Unreleased\n\n- Next.\n\n## 1.2.30 (2026-11-25)\n\n- Thirty.\n\n## 1.2.3\n\n- Three.\n';

describe('what a release says', () => {
  it.each([
    ['1.2.3', '- Three.'],
    ['1.2.30', '- Thirty.'],
  ])('of %s is what the changelog says of it', (version, notes) => {
    expect(releaseNotes(`v${version}`, version, changelog)).toBe(notes);
  });

  it.each([
    ['v1.2.4', '1.2.3', /The tag is v1\.2\.4, and package\.json says 1\.2\.3/],
    ['v9.9.9', '9.9.9', /CHANGELOG\.md says nothing of 9\.9\.9/],
  ])('is refused for the tag %s of version %s', (tag, version, message) => {
    expect(() => releaseNotes(tag, version, changelog)).toThrow(message);
  });
});
