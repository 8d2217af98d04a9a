#include "shim/dns_tables.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <nlohmann/json.hpp>

#include "shim/diagnostics.h"
#include "shim/shim_config.h"

namespace gantry::shim {
namespace {

constexpr off_t kMaxTableSize = 64 * 1024 * 1024;

bool same(const struct stat& one, const struct stat& other) noexcept {
  return one.st_ino == other.st_ino && one.st_dev == other.st_dev && one.st_size == other.st_size &&
         one.st_mtim.tv_sec == other.st_mtim.tv_sec && one.st_mtim.tv_nsec == other.st_mtim.tv_nsec;
}

}  // namespace

bool WatchedPath::changed() noexcept {
  struct stat now {};
  if (stat(path_.c_str(), &now) < 0) now = {};
  if (same(now, last_)) return false;
  last_ = now;
  return true;
}

MappedText::MappedText(const std::string& path) noexcept {
  UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat status {};
  if (!file || fstat(file.get(), &status) < 0 || !S_ISREG(status.st_mode)) return;
  if (status.st_size == 0 || status.st_size > kMaxTableSize) return;
  auto size = static_cast<size_t>(status.st_size);
  void* start = mmap(nullptr, size, PROT_READ, MAP_SHARED, file.get(), 0);
  if (start != MAP_FAILED) text_ = {static_cast<const char*>(start), size};
}

MappedText::~MappedText() {
  if (!text_.empty()) munmap(const_cast<char*>(text_.data()), text_.size());
}

void DnsTables::refresh() {
  bool news = config_file_.changed();
  if (news) load_config();
  for (Table& table : tables_) {
    if (!table.file.changed()) continue;
    table.text = MappedText(table.file.path());
    news = true;
  }
  if (!news) return;
  names_.networks.clear();
  for (const Table& table : tables_) names_.networks.emplace_back(table.text.text());
}

void DnsTables::load_config() {
  try {
    auto config = std::make_shared<DnsConfig>(parse_dns_config(read_json_file(config_file_.path()), network_));
    names_.networks.clear();
    names_.links = config->links;
    tables_.clear();
    for (const std::string& path : config->tables) tables_.push_back({WatchedPath(path), {}});
    config_ = std::move(config);
  } catch (const std::exception& error) {
    diagnose("%s", error.what());
  }
}

}  // namespace gantry::shim
