#include "shim/exit_record.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "isolation/error.h"

namespace gantry::shim {
namespace {

/// More than a record takes.
constexpr size_t kRoom = 512;

void write_at_start(int file, const std::string& text) {
  const ssize_t written = check(pwrite(file, text.data(), text.size(), 0), "write exit record");
  if (static_cast<size_t>(written) != text.size()) throw Error("write exit record", ENOSPC);
}

}  // namespace

ExitRecordFile::ExitRecordFile(const std::string& directory)
    : path_(directory + "/exit.json"),
      temporary_(path_ + ".tmp"),
      file_(check(open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600),
                  "open exit record")) {
  try {
    write_at_start(file_.get(), std::string(kRoom, ' '));
  } catch (const Error&) {
    unlink(temporary_.c_str());
    throw;
  }
}

ExitRecordFile::~ExitRecordFile() {
  if (!published_) unlink(temporary_.c_str());
}

void ExitRecordFile::publish(const ExitRecord& record) {
  const std::string text = nlohmann::json{
      {"exitCode", record.exit_code},
      {"oomKilled", record.oom_killed},
      {"startedAt", record.started_at},
      {"finishedAt",
       record.finished_at}}.dump();
  write_at_start(file_.get(), text);
  check(ftruncate(file_.get(), static_cast<off_t>(text.size())), "cut exit record");
  check(rename(temporary_.c_str(), path_.c_str()), "rename exit record");
  published_ = true;
}

}  // namespace gantry::shim
