import type { YearResult } from './year.ts';

const [width, labelWidth, valueWidth, rowHeight] = [860, 250, 130, 34];
const bandWidth = width - labelWidth - valueWidth;

const escapeXml = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

const hours = (minutes: number): string => `${(minutes / 60).toLocaleString('en', { maximumFractionDigits: 1 })} h`;

/** Draws a year of each refresher as a band: green while pulls work, red while the token is expired. */
export const drawYear = (
  title: string,
  days: number,
  rows: ReadonlyArray<{ readonly label: string; readonly result: YearResult }>,
): string => {
  const yearMs = days * 24 * 3_600_000;
  const x = (at: number): number => labelWidth + (at / yearMs) * bandWidth;
  const height = 56 + rows.length * rowHeight + 30;
  const bands = rows.map(({ label, result }, index) => {
    const y = 52 + index * rowHeight;
    const red = result.expired.map(
      ({ from, to }) =>
        `<rect x="${x(from).toFixed(1)}" y="${y}" width="${Math.max(1.5, x(to) - x(from)).toFixed(1)}" height="20" fill="#c4314b"/>`,
    );
    return [
      `<text x="${labelWidth - 10}" y="${y + 15}" text-anchor="end">${escapeXml(label)}</text>`,
      `<rect x="${labelWidth}" y="${y}" width="${bandWidth}" height="20" fill="#2f9e6e"/>`,
      ...red,
      `<text x="${width - valueWidth + 10}" y="${y + 15}">${hours(result.expiredMinutes)} expired</text>`,
    ].join('\n  ');
  });
  const months = Array.from({ length: 13 }, (_, month) => {
    const at = x((month / 12) * yearMs).toFixed(1);
    const y = 52 + rows.length * rowHeight;
    return `<path d="M${at} ${y - 8}v6" stroke="#888"/>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeXml(title)}" font-family="system-ui, sans-serif" font-size="14">
  <rect width="${width}" height="${height}" fill="#fff"/>
  <text x="16" y="30" font-size="17" font-weight="600">${escapeXml(title)}</text>
  ${bands.join('\n  ')}
  ${months.join('\n  ')}
  <text x="${labelWidth}" y="${height - 8}" fill="#555" font-size="12">a year, month by month; red: the token that Runpod holds is expired (at least 1.5 px wide)</text>
</svg>
`;
};
