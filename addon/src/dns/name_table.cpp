#include "dns/name_table.h"

namespace gantry::dns {
namespace {

constexpr std::string_view kHead = "network ";

}  // namespace

NameTable::NameTable(std::string_view text) {
  const size_t end = text.find('\n');
  if (end == std::string_view::npos || text.substr(0, kHead.size()) != kHead) return;
  network_ = text.substr(kHead.size(), end - kHead.size());
  lines_ = text.substr(end + 1);
}

std::optional<std::string_view> NameTable::find(std::string_view key) const {
  // Both ends are always the start of a line.
  size_t first = 0;
  size_t last = lines_.size();
  while (first < last) {
    size_t middle = first + (last - first) / 2;
    size_t before = middle == 0 ? std::string_view::npos : lines_.rfind('\n', middle - 1);
    size_t start = before == std::string_view::npos || before < first ? first : before + 1;
    size_t end = std::min(lines_.find('\n', start), lines_.size());
    std::string_view line = lines_.substr(start, end - start);
    std::string_view name = line.substr(0, line.find(' '));
    int order = name.compare(key);
    if (order == 0) return line.substr(std::min(name.size() + 1, line.size()));
    if (order < 0)
      first = std::min(end + 1, lines_.size());
    else
      last = start;
  }
  return std::nullopt;
}

}  // namespace gantry::dns
