import type { YearResult } from './year.ts';

const [width, labelWidth, valueWidth, rowHeight] = [960, 310, 180, 34];
const bandWidth = width - labelWidth - valueWidth;
const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const [yearHours, maxBar] = [8760, 70];

const escapeXml = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

const hours = (minutes: number): string => `${(minutes / 60).toLocaleString('en', { maximumFractionDigits: 1 })} h`;

/** By its logarithm: beside a whole year, 12 h and 200 h would both be a line. */
const barOf = (minutes: number): string =>
  ((Math.log10(1 + minutes / 60) / Math.log10(1 + yearHours)) * maxBar).toFixed(1);

/** Colours of a light page and of a dark one, which an SVG within an img follows as well; told apart by their lightness, too. */
const style = `
    .ground { fill: #fff } text { fill: #171b24 } .dim { fill: #545d70 } .well { fill: #bfe3cf } .lost { fill: #a81e2c } .tick { stroke: #888 }
    @media (prefers-color-scheme: dark) {
      .ground { fill: #12151c } text { fill: #e8ecf4 } .dim { fill: #a4aec2 } .well { fill: #1d4a37 } .lost { fill: #ff9b92 }
    }
  `;

/** Draws a year of each refresher as a band: green while pulls work, red while the token is expired; and the hours lost. */
export const drawYear = (
  title: string,
  days: number,
  rows: ReadonlyArray<{ readonly label: string; readonly result: YearResult }>,
): string => {
  const yearMs = days * 24 * 3_600_000;
  const x = (at: number): number => labelWidth + (at / yearMs) * bandWidth;
  const bottom = 52 + rows.length * rowHeight;
  const height = bottom + 52;
  const valueX = width - valueWidth + 12;
  const bands = rows.map(({ label, result }, index) => {
    const y = 52 + index * rowHeight;
    const red = result.expired.map(
      ({ from, to }) =>
        `<rect class="lost" x="${x(from).toFixed(1)}" y="${y}" width="${Math.max(1.5, x(to) - x(from)).toFixed(1)}" height="20"/>`,
    );
    return [
      `<text x="${labelWidth - 10}" y="${y + 15}" text-anchor="end">${escapeXml(label)}</text>`,
      `<rect class="well" x="${labelWidth}" y="${y}" width="${bandWidth}" height="20"/>`,
      ...red,
      `<rect class="lost" x="${valueX}" y="${y + 4}" width="${barOf(result.expiredMinutes)}" height="12"/>`,
      `<text x="${valueX + maxBar + 8}" y="${y + 15}">${hours(result.expiredMinutes)}</text>`,
    ].join('\n  ');
  });
  const ticks = months.map((month, index) => {
    const at = x((index / months.length) * yearMs);
    return `<path class="tick" d="M${at.toFixed(1)} ${bottom - 8}v6"/><text class="dim" x="${(at + 3).toFixed(1)}" y="${bottom + 12}" font-size="14">${month}</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeXml(title)}" font-family="system-ui, sans-serif" font-size="15">
  <style>${style}</style>
  <rect class="ground" width="${width}" height="${height}"/>
  <text x="16" y="30" font-size="17" font-weight="600">${escapeXml(title)}</text>
  <text class="dim" x="${valueX}" y="38" font-size="14">expired in all</text>
  ${bands.join('\n  ')}
  ${ticks.join('\n  ')}
  <text class="dim" x="16" y="${height - 12}" font-size="14">Green: pulls work. Red: the token that Runpod holds is expired, at least 1.5 px wide. Bars: the logarithm of their hours.</text>
</svg>
`;
};
