#pragma once

#include <optional>
#include <string_view>

namespace gantry::dns {

/// The names of one network, looked up where they lie: the text that the daemon writes for all containers of the
/// network, which share its pages. The first line says which network it is; the others are sorted by their bytes up to
/// the first blank, and name a host with its addresses, or an address ("@172.18.0.2") with its host:
///
///     network NAME
///     web 172.18.0.2 fd00::2
class NameTable {
 public:
  NameTable() = default;
  /// @param text must outlive the table. Text of another form has no names
  explicit NameTable(std::string_view text);

  /// Lower case.
  std::string_view network() const noexcept { return network_; }
  /// What stands behind `key` on its line.
  std::optional<std::string_view> find(std::string_view key) const;

 private:
  std::string_view network_;
  std::string_view lines_;
};

}  // namespace gantry::dns
