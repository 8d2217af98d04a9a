#include "shim/runtime_bundle.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstring>
#include <nlohmann/json.hpp>

#include "isolation/user.h"

namespace gantry::shim {
namespace {

using nlohmann::json;

constexpr size_t kMaxLog = 64 * 1024;

void resolve_process_user(json& process, int root) {
  json& user = process["user"];
  if (!user.is_object()) user = json::object();
  if (user.contains("username") || user.contains("additionalGroups")) {
    auto identity =
        resolve_user(root, user.value("username", ""), user.value("additionalGroups", std::vector<std::string>{}));
    user["uid"] = identity.uid;
    user["gid"] = identity.gid;
    user["additionalGids"] = identity.groups;
    user.erase("username");
    user.erase("additionalGroups");
  }
}

void set_home(json& process, int root) {
  json& environment = process["env"];
  if (!environment.is_array()) environment = json::array();
  bool present = std::any_of(environment.begin(), environment.end(), [](const json& entry) {
    return entry.is_string() && entry.get_ref<const std::string&>().rfind("HOME=", 0) == 0;
  });
  if (!present) environment.push_back("HOME=" + home_directory(root, process["user"].value("uid", uid_t{0})));
}

/// The last `kMaxLog` bytes of a file; empty when there is none.
std::string read_end(const std::string& path) {
  UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return {};
  off_t size = lseek(file.get(), 0, SEEK_END);
  std::string text(std::min(static_cast<size_t>(std::max<off_t>(size, 0)), kMaxLog), '\0');
  ssize_t length = pread(file.get(), text.data(), text.size(), size - static_cast<off_t>(text.size()));
  text.resize(static_cast<size_t>(std::max<ssize_t>(length, 0)));
  return text;
}

/// The message of the last line that has one, or the last line as it stands.
std::string last_message(const std::string& log) {
  std::string message;
  for (size_t start = 0; start < log.size();) {
    size_t end = std::min(log.find('\n', start), log.size());
    std::string line = log.substr(start, end - start);
    json entry = json::parse(line, nullptr, false);
    if (entry.is_object() && entry.contains("msg") && entry["msg"].is_string())
      message = entry["msg"];
    else if (!line.empty())
      message = line;
    start = end + 1;
  }
  return message;
}

bool contains(std::string text, const char* part) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char byte) { return std::tolower(byte); });
  return text.find(part) != std::string::npos;
}

int docker_exit_code(const std::string& message) {
  for (const char* absent : {"executable file", "no such file or directory"})
    if (contains(message, absent)) return 127;
  for (const char* unusable : {"permission denied", "is a directory", "not a directory", "exec format error"})
    if (contains(message, unusable)) return 126;
  return 128;
}

}  // namespace

void make_standard_process(json& process, int root) {
  resolve_process_user(process, root);
  set_home(process, root);
  if (!process.contains("oomScoreAdj")) process["oomScoreAdj"] = 0;
}

void make_standard_spec(json& spec, int root) {
  // crun before 1.9 takes no other minor version, and nothing newer is used.
  spec["ociVersion"] = "1.0.2";
  make_standard_process(spec["process"], root);
  for (json& entry : spec["linux"]["namespaces"]) {
    if (entry.value("path", "").rfind("/proc/self/", 0) == 0)
      entry["path"] =
          "/proc/" + std::to_string(getpid()) + entry["path"].get<std::string>().substr(strlen("/proc/self"));
  }
}

void write_file(const std::string& path, const std::string& text) {
  UniqueFd file(check(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600), "open " + path));
  for (size_t done = 0; done < text.size();)
    done += static_cast<size_t>(check(write(file.get(), text.data() + done, text.size() - done), "write " + path));
}

void write_runtime_bundle(const json& spec) {
  if (mkdir(kRuntimeBundle, 0700) < 0 && errno != EEXIST) throw Error("create runtime bundle");
  write_file(std::string(kRuntimeBundle) + "/config.json", spec.dump());
}

void remove_runtime_bundle() noexcept {
  unlink("oci/config.json");
  rmdir(kRuntimeBundle);
}

ProcessError runtime_error(const std::string& runtime, const std::string& subcommand, int status,
                           const std::string& log_path) {
  std::string operation = runtime.substr(runtime.rfind('/') + 1) + " " + subcommand;
  std::string message = last_message(read_end(log_path));
  int exit_code = docker_exit_code(message);
  if (message.empty()) message = "exit status " + std::to_string(status);
  return ProcessError(operation, 0, exit_code, message);
}

}  // namespace gantry::shim
