#include "archive/mode_change.h"

#include <sys/stat.h>

#include <string>

#include "isolation/error.h"

namespace gantry::archive {
namespace {

constexpr mode_t user_bits = S_ISUID | S_IRWXU;
constexpr mode_t group_bits = S_ISGID | S_IRWXG;
constexpr mode_t other_bits = S_ISVTX | S_IRWXO;

mode_t who_of(char symbol) {
  switch (symbol) {
    case 'u':
      return user_bits;
    case 'g':
      return group_bits;
    case 'o':
      return other_bits;
    default:
      return symbol == 'a' ? user_bits | group_bits | other_bits : 0;
  }
}

/// The same three permissions for everyone.
mode_t spread(mode_t permissions) { return permissions << 6 | permissions << 3 | permissions; }

mode_t bits_of(char permission, mode_t mode, bool is_directory) {
  switch (permission) {
    case 'r':
      return spread(4);
    case 'w':
      return spread(2);
    case 'x':
      return spread(1);
    case 'X':
      return is_directory || (mode & spread(1)) != 0 ? spread(1) : 0;
    case 's':
      return S_ISUID | S_ISGID;
    case 't':
      return S_ISVTX;
    case 'u':
      return spread(mode >> 6 & 7);
    case 'g':
      return spread(mode >> 3 & 7);
    case 'o':
      return spread(mode & 7);
    default:
      return 0;
  }
}

[[noreturn]] void refuse(std::string_view text) {
  throw Error("chmod", 0, "invalid mode \"" + std::string(text) + "\": use an octal number, or symbols as chmod(1)");
}

}  // namespace

ModeChange::ModeChange(std::string_view text) {
  if (text.empty()) refuse(text);
  if (text.find_first_not_of("01234567") != std::string_view::npos) {
    parse_symbols(text);
    return;
  }
  if (text.size() > 8) refuse(text);
  absolute_ = true;
  mode_ = static_cast<mode_t>(std::stoul(std::string(text), nullptr, 8));
  if (mode_ > 07777) refuse(text);
}

void ModeChange::parse_symbols(std::string_view text) {
  mode_t who = 0;
  char operation = 0;
  for (const char symbol : text) {
    if (symbol == ',') {
      if (operation == 0) refuse(text);
      who = 0;
      operation = 0;
    } else if (operation == 0 && who_of(symbol) != 0) {
      who |= who_of(symbol);
    } else if (symbol == '+' || symbol == '-' || symbol == '=') {
      operation = symbol;
      if (who == 0) who = who_of('a');
      // "=" alone takes everything away.
      if (symbol == '=') clauses_.push_back({who, '=', 0});
    } else if (operation != 0 && std::string_view("rwxXstugo").find(symbol) != std::string_view::npos) {
      clauses_.push_back({who, operation == '=' ? '+' : operation, symbol});
    } else {
      refuse(text);
    }
  }
  if (operation == 0) refuse(text);
}

mode_t ModeChange::apply(mode_t mode, bool is_directory) const {
  if (absolute_) return mode_;
  const mode_t before = mode & 07777;
  mode_t result = before;
  for (const Clause& clause : clauses_) {
    const mode_t bits = bits_of(clause.permission, before, is_directory) & clause.who;
    if (clause.operation == '=')
      result &= ~(clause.who & 0777);
    else if (clause.operation == '+')
      result |= bits;
    else
      result &= ~bits;
  }
  return result;
}

}  // namespace gantry::archive
