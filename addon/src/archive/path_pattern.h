#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace gantry::archive {

/// A pattern of paths: `*` and `?` stop at slashes, `**` does not, `[a-z]` and `[^a-z]` are one character, `\` takes
/// the next one as it is. Matching takes time in proportion to the lengths of both, whatever the pattern.
class PathPattern {
 public:
  /// @throws Error for a class that is not closed
  explicit PathPattern(std::string_view pattern);

  bool matches(std::string_view path) const;

  /// Whether a text has anything that is not taken as it is.
  static bool has_wildcards(std::string_view text);

 private:
  enum class Kind { literal, any_but_slash, one_of, star, globstar, leading_directories };
  struct Token {
    Kind kind;
    char character = 0;
    bool negated = false;
    std::vector<std::pair<unsigned char, unsigned char>> ranges{};
  };

  size_t parse_class(std::string_view pattern, size_t position);
  bool takes(const Token& token, char character) const;

  std::vector<Token> tokens_;
};

/// What a list of patterns leaves out, as .dockerignore has it: a pattern also covers all below what it matches, one
/// that begins with `!` takes back, and the last that says something wins.
class ExcludePatterns {
 public:
  explicit ExcludePatterns(const std::vector<std::string>& patterns);

  bool empty() const noexcept { return rules_.empty(); }
  /// Whether the path itself is left out.
  bool excludes(const std::string& path) const;
  /// Whether something below a directory that is left out may be taken back.
  bool has_exceptions() const noexcept { return has_exceptions_; }

 private:
  struct Rule {
    PathPattern pattern;
    bool is_exception;
  };
  std::vector<Rule> rules_;
  bool has_exceptions_ = false;
};

}  // namespace gantry::archive
