/** Matches a whole text against a shell pattern of literals, `*` and `?`; `\` takes the next character as it is. */
export function matchesPattern(pattern: string, text: string): boolean {
  const tokens = tokensOf(pattern);
  // The usual two-pointer walk: linear but for going back to the last star.
  let [token, position, star, retry] = [0, 0, -1, 0];
  while (position < text.length) {
    const current = tokens[token];
    if (
      current !== undefined &&
      current.kind !== 'any' &&
      (current.kind === 'one' || current.text === text[position])
    ) {
      token++;
      position++;
    } else if (current?.kind === 'any') {
      star = token++;
      retry = position;
    } else if (star >= 0) {
      token = star + 1;
      position = ++retry;
    } else return false;
  }
  return tokens.slice(token).every(({ kind }) => kind === 'any');
}

interface Token {
  kind: 'any' | 'one' | 'literal';
  text: string;
}

function tokensOf(pattern: string): Token[] {
  const tokens: Token[] = [];
  for (let index = 0; index < pattern.length; index++) {
    const character = pattern[index]!;
    if (character === '*') tokens.push({ kind: 'any', text: '' });
    else if (character === '?') tokens.push({ kind: 'one', text: '' });
    else if (character === '\\' && index + 1 < pattern.length)
      tokens.push({ kind: 'literal', text: pattern[++index]! });
    else tokens.push({ kind: 'literal', text: character });
  }
  return tokens;
}

/** `${value#pattern}`, `##`, `%`, `%%`: the value without what the pattern matches at its start or end. */
export function trimMatch(value: string, pattern: string, side: 'start' | 'end', longest: boolean): string {
  for (let step = 0; step <= value.length; step++) {
    const length = longest ? value.length - step : step;
    const cut = side === 'start' ? length : value.length - length;
    const [removed, kept] =
      side === 'start' ? [value.slice(0, cut), value.slice(cut)] : [value.slice(cut), value.slice(0, cut)];
    if (matchesPattern(pattern, removed)) return kept;
  }
  return value;
}

/** `${value/pattern/replacement}`, and with `all` the form with two slashes. */
export function replaceMatch(value: string, pattern: string, replacement: string, all: boolean): string {
  let result = '';
  for (let position = 0; position < value.length;) {
    const length = longestMatch(value.slice(position), pattern);
    if (length === 0) {
      result += value[position++];
      continue;
    }
    result += replacement;
    position += length;
    if (!all) return result + value.slice(position);
  }
  return result;
}

function longestMatch(text: string, pattern: string): number {
  for (let length = text.length; length > 0; length--)
    if (matchesPattern(pattern, text.slice(0, length))) return length;
  return 0;
}
