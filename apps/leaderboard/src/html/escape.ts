/** Markup in which everything is text until it is said to be markup. */

/** Markup that is safe as it stands. */
export class Markup {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

type Value = Markup | string | number | false | null | undefined | readonly Value[];

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Text for element content and quoted attribute values. Control characters that HTML forbids become U+FFFD. */
export const escapeHtml = (text: string): string =>
  text.replaceAll(/[&<>"']/g, (character) => entities[character]!).replaceAll(/[^\P{Cc}\t\n\r]|\p{Cs}/gu, '\u{FFFD}');

function render(value: Value): string {
  if (value instanceof Markup) return value.text;
  if (Array.isArray(value)) return value.map((item: Value) => render(item)).join('');
  return typeof value === 'string' || typeof value === 'number' ? escapeHtml(String(value)) : '';
}

/** Template tag: interpolated values are escaped unless they are `Markup`; false, null and undefined vanish. */
export const html = (strings: TemplateStringsArray, ...values: readonly Value[]): Markup =>
  new Markup(strings.map((text, i) => text + (i < values.length ? render(values[i]) : '')).join(''));
