#pragma once

#include <sys/stat.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "dns/names.h"
#include "shim/dns_config.h"

namespace gantry::shim {

/// Tells by a look at a path whether another file has been put there.
class WatchedPath {
 public:
  explicit WatchedPath(std::string path) : path_(std::move(path)) {}

  const std::string& path() const noexcept { return path_; }
  /// True if it is not the file of the last time, or has changed.
  bool changed() noexcept;

 private:
  std::string path_;
  struct stat last_ {};
};

/// A file's text in memory that all who have it open share.
class MappedText {
 public:
  MappedText() = default;
  /// Empty if there is no such file, or it is absurdly large.
  explicit MappedText(const std::string& path) noexcept;
  MappedText(MappedText&& other) noexcept : text_(std::exchange(other.text_, {})) {}
  MappedText& operator=(MappedText&& other) noexcept {
    std::swap(text_, other.text_);
    return *this;
  }
  ~MappedText();

  std::string_view text() const noexcept { return text_; }

 private:
  std::string_view text_;
};

/// What the daemon has written for the container's DNS server: dns.json and the name tables it lists. The daemon
/// replaces these files and never changes one, so they are read again when there is another.
class DnsTables {
 public:
  explicit DnsTables(const ContainerNetwork& network) : network_(network), config_file_(kDnsConfig) {}

  /// Reads what is new. A config that cannot be read leaves the last one in force.
  void refresh();
  const dns::Names& names() const noexcept { return names_; }
  const std::shared_ptr<const DnsConfig>& config() const noexcept { return config_; }

 private:
  struct Table {
    WatchedPath file;
    MappedText text;
  };

  void load_config();

  const ContainerNetwork& network_;
  WatchedPath config_file_;
  std::shared_ptr<const DnsConfig> config_ = std::make_shared<DnsConfig>();
  std::vector<Table> tables_;
  dns::Names names_;
};

}  // namespace gantry::shim
