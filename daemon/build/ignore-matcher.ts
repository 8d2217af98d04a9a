/**
 * Whether the patterns of a .dockerignore leave a path out: the last one that fits it, or a directory that it is in, decides.
 * Contexts are filtered by their clients and by the addon; this is for single names.
 */
export function ignoreMatcher(patterns: readonly string[]): (path: string) => boolean {
  const rules = patterns.map((pattern) => {
    const isException = pattern.startsWith('!');
    return { isException, expression: expressionOf(isException ? pattern.slice(1) : pattern) };
  });
  return (path) => {
    const parts = path.split('/');
    const places = parts.map((_, index) => parts.slice(0, index + 1).join('/'));
    return rules.reduce(
      (ignored, { isException, expression }) =>
        ignored === isException && places.some((place) => expression.test(place)) ? !isException : ignored,
      false,
    );
  };
}

/** `*` and `?` end at a slash, `**` does not. */
function expressionOf(pattern: string): RegExp {
  const text = pattern.replace(/\/+$/, '').replace(/^(?:\.\/)+/, '');
  const source = text.replace(/\*\*\/?|\*|\?|\[\^?[^\]]*\]|\\.|[\s\S]/g, (token) => {
    if (token === '**/') return '(?:.*/)?';
    if (token === '**') return '.*';
    if (token === '*') return '[^/]*';
    if (token === '?') return '[^/]';
    if (token.length > 1 && token.startsWith('[')) return token;
    return (token.startsWith('\\') && token.length > 1 ? token.slice(1) : token).replace(
      /[.*+?^${}()|[\]\\/]/g,
      '\\$&',
    );
  });
  try {
    return new RegExp(`^${source}$`, 's');
  } catch {
    return /(?!)/;
  }
}
