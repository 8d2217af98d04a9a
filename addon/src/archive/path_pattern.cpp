#include "archive/path_pattern.h"

#include "archive/path.h"
#include "isolation/error.h"

namespace gantry::archive {

PathPattern::PathPattern(std::string_view pattern) {
  for (size_t i = 0; i < pattern.size(); ++i) {
    const char character = pattern[i];
    if (character == '*') {
      if (i + 1 >= pattern.size() || pattern[i + 1] != '*') {
        tokens_.push_back({Kind::star});
        continue;
      }
      ++i;
      if (i + 1 < pattern.size() && pattern[i + 1] == '/') {
        tokens_.push_back({Kind::leading_directories});
        ++i;
      } else {
        tokens_.push_back({Kind::globstar});
      }
    } else if (character == '?') {
      tokens_.push_back({Kind::any_but_slash});
    } else if (character == '[') {
      i = parse_class(pattern, i + 1);
    } else {
      if (character == '\\' && i + 1 < pattern.size()) ++i;
      tokens_.push_back({Kind::literal, pattern[i]});
    }
  }
}

/// @returns the position of the closing bracket
size_t PathPattern::parse_class(std::string_view pattern, size_t position) {
  Token token{Kind::one_of};
  if (position < pattern.size() && pattern[position] == '^') {
    token.negated = true;
    ++position;
  }
  const auto character = [&] {
    if (position < pattern.size() && pattern[position] == '\\') ++position;
    if (position >= pattern.size()) throw Error("pattern " + std::string(pattern), 0, "syntax error in pattern");
    return static_cast<unsigned char>(pattern[position++]);
  };
  while (position >= pattern.size() || pattern[position] != ']' || token.ranges.empty()) {
    const unsigned char low = character();
    unsigned char high = low;
    if (position + 1 < pattern.size() && pattern[position] == '-' && pattern[position + 1] != ']') {
      ++position;
      high = character();
    }
    token.ranges.emplace_back(low, high);
  }
  tokens_.push_back(std::move(token));
  return position;
}

bool PathPattern::takes(const Token& token, char character) const {
  switch (token.kind) {
    case Kind::literal:
      return character == token.character;
    case Kind::one_of: {
      if (character == '/') return false;
      const auto byte = static_cast<unsigned char>(character);
      for (const auto& [low, high] : token.ranges)
        if (low <= byte && byte <= high) return !token.negated;
      return token.negated;
    }
    case Kind::globstar:
    case Kind::leading_directories:
      return true;
    default:
      return character != '/';
  }
}

bool PathPattern::matches(std::string_view path) const {
  // A walk over all places in the pattern at once: `at[i]` says that the first i tokens match what was read so far;
  // `within[i]` that token i, the leading directories of `**/`, is in the middle of one.
  const size_t count = tokens_.size();
  std::vector<char> at(count + 1, 0), within(count + 1, 0);
  const auto skip_empty = [&](std::vector<char>& places) {
    for (size_t i = 0; i < count; ++i) {
      const Kind kind = tokens_[i].kind;
      if (places[i] && (kind == Kind::star || kind == Kind::globstar || kind == Kind::leading_directories)) {
        places[i + 1] = 1;
      }
    }
  };
  at[0] = 1;
  skip_empty(at);
  for (const char character : path) {
    std::vector<char> next(count + 1, 0), next_within(count + 1, 0);
    for (size_t i = 0; i < count; ++i) {
      const Token& token = tokens_[i];
      if (token.kind == Kind::leading_directories) {
        if (!at[i] && !within[i]) continue;
        next_within[i] = 1;
        if (character == '/') next[i + 1] = 1;
      } else if (at[i] && takes(token, character)) {
        next[token.kind == Kind::star || token.kind == Kind::globstar ? i : i + 1] = 1;
      }
    }
    skip_empty(next);
    at.swap(next);
    within.swap(next_within);
  }
  return at[count] != 0;
}

bool PathPattern::has_wildcards(std::string_view text) { return text.find_first_of("*?[\\") != std::string_view::npos; }

ExcludePatterns::ExcludePatterns(const std::vector<std::string>& patterns) {
  for (const std::string& text : patterns) {
    const bool is_exception = !text.empty() && text[0] == '!';
    rules_.push_back({PathPattern(clean_path(is_exception ? text.substr(1) : text)), is_exception});
    has_exceptions_ = has_exceptions_ || is_exception;
  }
}

bool ExcludePatterns::excludes(const std::string& path) const {
  bool excluded = false;
  for (const Rule& rule : rules_) {
    if (rule.is_exception != excluded) continue;
    for (std::string_view part = path; !part.empty(); part = parent_of(part)) {
      if (!rule.pattern.matches(part)) continue;
      excluded = !rule.is_exception;
      break;
    }
  }
  return excluded;
}

}  // namespace gantry::archive
